/** The API behind the proxies: one small JSON answer, straight from a socket. Prints its port. */
import { createServer } from 'node:net'

const body = JSON.stringify({ ok: true, text: 'x'.repeat(150) })
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
)
const server = createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  // Every proxy sends one request at a time on a connection, without a body: each head is one answer.
  socket.on('data', (chunk) => {
    for (let at = chunk.indexOf('\r\n\r\n'); at >= 0; at = chunk.indexOf('\r\n\r\n', at + 4))
      socket.write(answer)
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') process.stdout.write(`${address.port}\n`)
})
// Whoever started it is gone.
process.stdin.resume().on('end', () => process.exit())
