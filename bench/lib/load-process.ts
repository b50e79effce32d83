/** The load itself: reads {@link LoadOptions} as JSON from stdin, prints {@link LoadResult}. Bare sockets, so that it costs little. */
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { LoadOptions, LoadResult } from './load.ts'
import { median } from './stats.ts'

const { url, authorization, connections, seconds, expected }: LoadOptions = JSON.parse(
  await text(process.stdin),
)
const { hostname, port, pathname, host } = new URL(url)
const request = Buffer.from(
  `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${authorization === undefined ? '' : `Authorization: ${authorization}\r\n`}\r\n`,
)
const latenciesMs: number[] = []
const until = performance.now() + seconds * 1000
let requests = 0

/** One connection: request, whole answer, next request. */
function drive(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    socket.setNoDelay(true)
    let buffered = ''
    let sentAt = 0
    const send = (): void => {
      sentAt = performance.now()
      socket.write(request)
    }
    socket.on('connect', send)
    socket.on('error', reject)
    socket.on('close', () => resolve())
    socket.on('data', (chunk) => {
      buffered += chunk.toString('latin1')
      const headEnd = buffered.indexOf('\r\n\r\n')
      if (headEnd < 0) return
      const head = buffered.slice(0, headEnd)
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
      const whole =
        length === undefined
          ? buffered.endsWith('0\r\n\r\n')
          : buffered.length >= headEnd + 4 + Number(length)
      if (!whole) return
      if (!head.startsWith(`HTTP/1.1 ${expected}`)) return reject(new Error(`got ${head.slice(0, 60)}`))
      buffered = ''
      requests++
      const now = performance.now()
      if (requests % 16 === 0) latenciesMs.push(now - sentAt)
      if (now < until) send()
      else socket.destroy()
    })
  })
}

const startedAt = performance.now()
await Promise.all(Array.from({ length: connections }, drive))
const elapsed = (performance.now() - startedAt) / 1000
const result: LoadResult = { requests, perSecond: requests / elapsed, p50Ms: median(latenciesMs) }
process.stdout.write(JSON.stringify(result))
process.exit(0)
