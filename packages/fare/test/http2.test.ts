import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CERTIFICATE, PRIVATE_KEY } from './support/certificate.ts'
import { newBuyer } from './support/fare.ts'
import { temporaryFolder } from './support/folder.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { challengeOf, headerOf } from './support/seller.ts'

interface Seen {
  readonly version: string
  readonly method: string
  readonly path: string
  readonly headers: Record<string, unknown>
  readonly body: Buffer
  readonly paid: boolean
}

let gateway: Gateway
let server: Http2SecureServer
const seen: Seen[] = []
beforeAll(async () => {
  gateway = await startGateway()
  server = createSecureServer({ key: PRIVATE_KEY, cert: CERTIFICATE, allowHTTP1: true })
  server.on('request', async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    // Without the symbols that HTTP/2 keeps among them.
    const {
      authorization,
      ':authority': _,
      host: __,
      ...headers
    } = Object.fromEntries(Object.entries(request.headers))
    const paid = authorization !== undefined
    const { httpVersion: version, method, url: path } = request
    seen.push({ version, method, path, headers, body: Buffer.concat(chunks), paid })
    if (paid) return response.end('done')
    response.writeHead(402, { 'www-authenticate': headerOf(await challengeOf(gateway)) })
    return response.end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterAll(async () => {
  server.close()
  await gateway.stop()
})

describe('a purchase', () => {
  it.each([
    ['2.0', ['--http2']],
    ['1.1', []],
  ])('over HTTP/%s re-sends method, path, headers and body byte for byte', async (version, flags) => {
    seen.length = 0
    const body = randomBytes(300_000)
    const file = join(temporaryFolder(), 'body')
    writeFileSync(file, body)
    const { port } = server.address() as AddressInfo
    const url = `https://127.0.0.1:${port}/a/${version}?q=%20x&r`
    const typed = ['-X', 'PATCH', '-H', 'X-One: a,b', '-H', 'Content-Type: image/png']
    const ran = await newBuyer(gateway.admin).fare('-k', ...flags, ...typed, '--data-binary', `@${file}`, url)
    expect(ran).toMatchObject({ code: 0, out: 'done' })
    const [unpaid, paid] = seen
    expect(seen).toHaveLength(2)
    expect(unpaid).toMatchObject({ version, method: 'PATCH', path: `/a/${version}?q=%20x&r`, paid: false })
    expect(unpaid?.headers).toMatchObject({ 'x-one': 'a,b', 'content-type': 'image/png' })
    expect(unpaid?.body.equals(body)).toBe(true)
    expect({ ...paid, paid: false }).toEqual(unpaid)
  })
})
