/** What the purse's benchmark fetches from. Prints its URL; ends with its standard input. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const CHUNK = Buffer.alloc(64 * 1024, 'x')
const CHUNKS = (1024 * 1024 * 1024) / CHUNK.length
let challenge = ''

const server = createServer((request, response) => {
  if (request.url === '/free') return response.end('sunny')
  if (request.url === '/sell') {
    request.on('data', (chunk: Buffer) => {
      challenge += chunk
    })
    return request.on('end', () => response.end())
  }
  if (request.url === '/gigabyte') {
    let left = CHUNKS
    const pour = (): void => {
      while (left-- > 0) if (!response.write(CHUNK)) return void response.once('drain', pour)
      response.end()
    }
    return pour()
  }
  if (request.headers.authorization !== undefined) return response.end('sunny')
  return response.writeHead(402, { 'www-authenticate': challenge }).end()
})
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.stdin.resume().once('end', () => process.exit(0))
