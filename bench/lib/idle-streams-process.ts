/** Opens the streams that a line of {@link StreamOptions} on stdin asks for, says so with a line, and holds them until it is ended. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { StreamOptions } from './idle-streams.ts'

/** Opened at once. */
const LANES = 64
/** Streams from one loopback address: fewer than it has ports. */
const PER_ADDRESS = 20_000

const lines = createInterface({ input: process.stdin })
const [line] = await once(lines, 'line')
const { url, authorization, count } = JSON.parse(String(line)) as StreamOptions
const { hostname, port, pathname, host } = new URL(url)
const request = `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\n\r\n`
const open: Socket[] = []
let next = 0

async function lane(): Promise<void> {
  for (let number = next++; number < count; number = next++) await openOne(number)
}

function openOne(number: number): Promise<void> {
  return new Promise((resolve, reject) => {
    // Only when needed: the kernel's search for a port that is free on an address takes longer with each one taken.
    const from = Math.floor(number / PER_ADDRESS)
    const socket = connect({
      host: hostname,
      port: Number(port),
      ...(from > 0 && { localAddress: `127.0.0.${1 + from}` }),
    })
    let seen = ''
    socket.on('data', (bytes: Buffer) => {
      seen = (seen + bytes.toString('latin1')).slice(-4096)
      if (seen.includes('data: ')) resolve()
      else if (!seen.startsWith('HTTP/1.1 200')) reject(new Error(`got ${seen.slice(0, 60)}`))
    })
    socket.on('error', reject)
    socket.on('close', () => {
      throw new Error('a stream ended')
    })
    socket.write(request)
    open.push(socket)
  })
}

await Promise.all(Array.from({ length: LANES }, lane))
process.stdout.write('open\n')
// Until it is ended.
lines.on('close', () => process.exit())
