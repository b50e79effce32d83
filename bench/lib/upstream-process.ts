/**
 * The API behind the proxies, straight from a socket. Paths that end in `/64k` and `/1m` have bodies of that length, `/sse` is
 * a stream of one event that does not end; all others are one small JSON answer. Prints its port.
 */
import { createServer } from 'node:net'

const answer = (type: string, body: string): Buffer =>
  Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
const small = answer('application/json', JSON.stringify({ ok: true, text: 'x'.repeat(150) }))
const event = 'data: hello\n\n'
const stream = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n${event.length.toString(16)}\r\n${event}\r\n`,
)
/** By the last letter of the path. */
const others = new Map([
  ['k', answer('application/octet-stream', 'x'.repeat(65_536))],
  ['m', answer('application/octet-stream', 'x'.repeat(1_048_576))],
  ['e', stream],
])

const server = createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  // Every proxy sends one request at a time on a connection, without a body: each head is one answer.
  socket.on('data', (chunk: Buffer) => {
    const pathEnd = chunk.indexOf(' HTTP/1.1\r\n')
    const what = others.get(String.fromCharCode(chunk[pathEnd - 1] ?? 0)) ?? small
    for (let at = chunk.indexOf('\r\n\r\n'); at >= 0; at = chunk.indexOf('\r\n\r\n', at + 4))
      socket.write(what)
  })
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') process.stdout.write(`${address.port}\n`)
})
// Whoever started it is gone.
process.stdin.resume().on('end', () => process.exit())
