/** HTTP/1.1 load: bare sockets that read into one buffer each, so that it takes little from the core it shares with the upstream. */
import { connect } from 'node:net'
import type { LoadOptions, LoadResult } from './load.ts'
import { median, percentile } from './stats.ts'

const BUFFER_BYTES = 65_536
const HEAD_END = Buffer.from('\r\n\r\n')
const TIMED = 16

/** What the connections of one run share. */
interface Run {
  readonly host: string
  readonly port: number
  readonly request: Buffer
  readonly statusLine: string
  readonly timed: number
  readonly latenciesMs: number[]
  requests: number
  going: boolean
}

/** One connection: request, whole answer, next request. */
function drive(run: Run): Promise<void> {
  return new Promise((resolve, reject) => {
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES)
    /** Bytes of an answer's head that came without its end. */
    let early = ''
    /** Bytes of the body that are still to come. */
    let left = 0
    let sentAt = 0
    const socket = connect({
      host: run.host,
      port: run.port,
      noDelay: true,
      onread: {
        buffer,
        callback: (bytes) => {
          if (read(bytes)) next()
          return true
        },
      },
    })
    /** Whether the answer is whole. */
    const read = (bytes: number): boolean => {
      if (left > 0) {
        left -= bytes
      } else {
        const end = buffer.indexOf(HEAD_END)
        const text = early + buffer.toString('latin1', 0, end < 0 || end >= bytes ? bytes : end)
        if (end < 0 || end >= bytes) {
          early = text
          return false
        }
        early = ''
        if (!text.startsWith(run.statusLine)) fail(`got ${text.slice(0, 60)}`)
        left = bodyLength(text) - (bytes - end - HEAD_END.length)
      }
      if (left < 0) fail('more than one answer to a request')
      return left === 0
    }
    const bodyLength = (head: string): number => {
      const at = head.search(/\r\ncontent-length: /i)
      if (at < 0) fail('an answer without Content-Length')
      return Number.parseInt(head.slice(at + 18, at + 30), 10)
    }
    const fail = (what: string): void => {
      reject(new Error(what))
      socket.destroy()
    }
    const send = (): void => {
      if (run.requests % run.timed === 0) sentAt = performance.now()
      socket.write(run.request)
    }
    const next = (): void => {
      run.requests++
      if (sentAt > 0) {
        run.latenciesMs.push(performance.now() - sentAt)
        sentAt = 0
      }
      if (run.going) send()
      else socket.destroy()
    }
    socket.on('connect', send)
    socket.on('error', reject)
    socket.on('close', () => {
      if (run.going) reject(new Error('the connection was closed'))
      else resolve()
    })
  })
}

/** One request at a time on each connection, for so long. */
export async function performH1(options: LoadOptions): Promise<LoadResult> {
  const { url, authorization, connections, seconds, expected, timed = TIMED } = options
  const { hostname, port, pathname, host } = new URL(url)
  const run: Run = {
    host: hostname,
    port: Number(port),
    request: Buffer.from(
      `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${authorization === undefined ? '' : `Authorization: ${authorization}\r\n`}\r\n`,
    ),
    statusLine: `HTTP/1.1 ${expected} `,
    timed,
    latenciesMs: [],
    requests: 0,
    going: true,
  }
  const startedAt = performance.now()
  setTimeout(() => {
    run.going = false
  }, seconds * 1000)
  await Promise.all(Array.from({ length: connections }, () => drive(run)))
  const elapsed = (performance.now() - startedAt) / 1000
  const { requests, latenciesMs } = run
  const [p50Ms, p99Ms] = [median(latenciesMs), percentile(latenciesMs, 0.99)]
  return { requests, perSecond: requests / elapsed, p50Ms, p99Ms }
}
