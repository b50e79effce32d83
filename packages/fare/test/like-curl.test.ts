import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newBuyer } from './support/fare.ts'
import { temporaryFolder } from './support/folder.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { challengeOf, charge, charging, headerOf, startSeller } from './support/seller.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

const binary = randomBytes(100_000)

describe('a request', () => {
  it('is sent again after paying with the same method, headers and bytes', async () => {
    const seller = await startSeller(charging(gateway, (_, response) => response.end('done')))
    const file = join(temporaryFolder(), 'body')
    writeFileSync(file, binary)
    const headers = ['-H', 'X-One: 1', '-H', 'x-two: a,b', '-H', 'x-two: c', '-H', 'Content-Type: image/png']
    const buyer = newBuyer(gateway.admin)
    const ran = await buyer.fare(
      '-X',
      'PUT',
      ...headers,
      '--data-binary',
      `@${file}`,
      `${seller.url}/a?q=%20x`,
    )
    expect(ran).toMatchObject({ code: 0, out: 'done' })
    const [unpaid, paid] = seller.received
    expect(seller.received).toHaveLength(2)
    expect(unpaid).toMatchObject({ method: 'PUT', url: '/a?q=%20x', paid: false })
    expect(unpaid?.headers).toMatchObject({ 'x-one': '1', 'x-two': 'a,b, c', 'content-type': 'image/png' })
    expect(unpaid?.body.equals(binary)).toBe(true)
    expect(paid).toMatchObject({ method: 'PUT', url: '/a?q=%20x', paid: true })
    expect(paid?.body.equals(binary)).toBe(true)
    const { authorization: _, ...same } = paid?.headers ?? {}
    expect(same).toEqual(unpaid?.headers)
  })

  it('is sent again too when the server closes the connection after its 402', async () => {
    const seller = await startSeller(charging(gateway, (received, response) => response.end(received.body)))
    const closing = await startSeller(async (received, response) => {
      if (received.paid) return response.end(received.body)
      await charge(gateway, response)
      response.socket?.destroySoon()
    })
    for (const { url } of [seller, closing]) {
      const ran = await newBuyer(gateway.admin).fare('-d', 'a=1', '-d', 'b=2', url)
      expect(ran).toMatchObject({ code: 0, out: 'a=1&b=2' })
    }
  })

  it('survives a server that answers 402 and closes before it has read the body', async () => {
    let paid: number | undefined
    const server = createServer((socket) => {
      let head = ''
      let bytes = 0
      socket.on('error', () => {})
      socket.on('data', async (chunk) => {
        const known = head.includes('\r\n\r\n')
        if (!known) head += chunk.toString('latin1')
        bytes += chunk.length
        if (!/authorization: L402/i.test(head)) {
          if (known) return
          const header = headerOf(await challengeOf(gateway))
          socket.end(
            `HTTP/1.1 402 Payment Required\r\nwww-authenticate: ${header}\r\ncontent-length: 0\r\n\r\n`,
          )
        } else if (bytes > 2_000_000) {
          paid = bytes
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone')
        }
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const file = join(temporaryFolder(), 'body')
    writeFileSync(file, Buffer.alloc(2_000_000, 1))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const ran = await newBuyer(gateway.admin).fare('--data-binary', `@${file}`, url)
    server.close()
    expect(ran).toMatchObject({ code: 0, out: 'done' })
    expect(paid).toBeGreaterThan(2_000_000)
  })

  it('takes its body from files and standard input as curl does', async () => {
    const seller = await startSeller((received, response) => response.end(received.body))
    const file = join(temporaryFolder(), 'body')
    writeFileSync(file, 'a\r\nb\0\n')
    const buyer = newBuyer(gateway.admin)
    expect((await buyer.fare('-d', `@${file}`, seller.url)).out).toBe('ab')
    expect((await buyer.fare('--data-binary', `@${file}`, seller.url)).out).toBe('a\r\nb\0\n')
    expect((await buyer.run(['-d', '@-', seller.url], { input: 'from\nhere' })).out).toBe('fromhere')
    const piped = await buyer.run(['--data-binary', '@-', seller.url], { input: binary })
    expect(piped.bytes.equals(binary)).toBe(true)
    expect((await buyer.fare('-X', 'GET', '-d', 'x', seller.url)).out).toBe('x')
    expect(seller.received.map(({ method }) => method)).toEqual(['POST', 'POST', 'POST', 'POST', 'GET'])
    expect(seller.received[0]?.headers['content-type']).toBe('application/x-www-form-urlencoded')
  })

  it('carries nothing that was not asked for', async () => {
    const seller = await startSeller((_, response) => response.end())
    await newBuyer(gateway.admin).fare(seller.url)
    const [{ headers } = { headers: {} }] = seller.received
    expect(Object.keys(headers).sort()).toEqual(['accept', 'connection', 'host', 'user-agent'])
  })

  it('keeps its own Authorization, and is then not paid for (C6)', async () => {
    const seller = await startSeller(charging(gateway, (_, response) => response.end('done')))
    const ran = await newBuyer(gateway.admin).fare('-H', 'Authorization: Bearer mine', seller.url)
    expect(ran).toMatchObject({ code: 3, out: '' })
    expect(ran.err).toContain('Authorization')
    expect(seller.received.map(({ headers }) => headers.authorization)).toEqual(['Bearer mine'])
  })
})

describe('an answer', () => {
  it('goes to standard output byte for byte, whatever its coding', async () => {
    const seller = await startSeller((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' }).end(binary)
    })
    const buyer = newBuyer(gateway.admin)
    expect((await buyer.fare(seller.url)).bytes.equals(binary)).toBe(true)
    const report = JSON.parse((await buyer.fare('--json', seller.url)).out) as Record<string, string>
    expect(report).toMatchObject({ bodyEncoding: 'base64', bodyBytes: binary.length })
    expect(Buffer.from(report['body'] ?? '', 'base64').equals(binary)).toBe(true)
  })

  it('goes to a file with -o and -O, and says nothing on standard output', async () => {
    const seller = await startSeller(charging(gateway, (_, response) => response.end(binary)))
    const file = join(temporaryFolder(), 'out')
    const buyer = newBuyer(gateway.admin)
    expect(await buyer.fare('-o', file, seller.url)).toMatchObject({ code: 0, out: '' })
    expect(readFileSync(file).equals(binary)).toBe(true)
    const second = `${file}2`
    const report = await buyer.report('-o', second, seller.url)
    expect(report).toMatchObject({ body: null, bodyBytes: binary.length, outputFile: second })
    expect(readFileSync(second).equals(binary)).toBe(true)
  })

  it('to a full disk or an unwritable place is an error and not a stack trace', async () => {
    const buyer = newBuyer(gateway.admin)
    const full = await buyer.fare('-o', '/dev/full', `${gateway.url}/forecast/x`)
    expect(full).toMatchObject({ code: 1, out: '' })
    expect(full.err).toMatch(/^fare: Paid: 10 sat .* but the answer could not be written: ENOSPC/)
    // A place that cannot be written is known before anything is paid.
    for (const place of ['/dev/null/x', '/', '']) {
      const nowhere = await newBuyer(gateway.admin).fare('-o', place, `${gateway.url}/forecast/x`)
      expect(nowhere).toMatchObject({ code: 2, err: expect.stringContaining('cannot write') })
    }
  })

  it('shows its head with -i and -I', async () => {
    const seller = await startSeller(
      charging(gateway, (_, response) =>
        response.writeHead(203, 'Fine', { 'x-name': 'caf\u00e9', 'set-cookie': ['a=1', 'b=2'] }).end('body'),
      ),
    )
    const buyer = newBuyer(gateway.admin)
    const both = await buyer.fare('-i', seller.url)
    expect(both.bytes.toString('latin1')).toMatch(
      /^HTTP\/1\.1 203 Fine\r\n[\s\S]*x-name: caf\u00e9\r\n[\s\S]*\r\nbody$/,
    )
    expect(both.out.match(/^set-cookie: /gm)).toHaveLength(2)
    const head = await buyer.fare('-I', seller.url)
    expect(head.out).toMatch(/^HTTP\/1\.1 203 Fine\r\n[\s\S]*\r\n\r\n$/)
    expect(seller.received.at(-1)?.method).toBe('HEAD')
  })

  it('may be cut off by a reader that has seen enough', async () => {
    const seller = await startSeller(
      charging(gateway, (_, response) => {
        response.on('error', () => {})
        const more = (): void => {
          while (!response.destroyed && response.write(binary));
        }
        response.on('drain', more)
        more()
      }),
    )
    const ran = await newBuyer(gateway.admin).run(['--sandbox', seller.url], {
      started: (child) => child.stdout?.once('data', () => child.stdout?.destroy()),
    })
    expect(ran.code).toBe(0)
    expect(ran.err).toMatch(/^fare: Paid: 10 sat for credential [0-9a-f]+\.\n$/)
  })

  it('with a status no browser takes is handed on', async () => {
    const seller = await startSeller((_, response) => response.writeHead(999, 'Odd').end('x'))
    expect(await newBuyer(gateway.admin).report(seller.url)).toMatchObject({ status: 999, body: 'x' })
  })

  it('is waited for no longer than --max-time', async () => {
    const seller = await startSeller((_, response) => response.write('slow'))
    const started = performance.now()
    const ran = await newBuyer(gateway.admin).fare('--max-time', '0.5', seller.url)
    expect(ran).toMatchObject({ code: 1, out: 'slow' })
    expect(ran.err).toMatch(
      /^fare: Nothing was paid, but the answer broke off: the time of --max-time is over\.\n$/,
    )
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})

describe('a redirect', () => {
  it('is an answer without -L, and followed with it', async () => {
    const seller = await startSeller((received, response) => {
      if (received.url === '/b') return response.end('there')
      return response.writeHead(302, { location: '/b' }).end('elsewhere')
    })
    const buyer = newBuyer(gateway.admin)
    expect((await buyer.fare(`${seller.url}/a`)).out).toBe('elsewhere')
    expect((await buyer.fare('-L', `${seller.url}/a`)).out).toBe('there')
    const endless = await startSeller((_, response) => response.writeHead(302, { location: '/' }).end())
    expect(await buyer.fare('-L', endless.url)).toMatchObject({
      code: 1,
      err: expect.stringContaining('redirects'),
    })
    expect(endless.received).toHaveLength(11)
  })

  it('to another origin takes no cookie along, and to the same one it does (C7)', async () => {
    const away = await startSeller((_, response) => response.end('away'))
    const seller = await startSeller(({ url }, response) => {
      const location = url === '/' ? '/second' : away.url
      response.writeHead(302, { location, 'set-cookie': 'session=1' }).end()
    })
    const buyer = newBuyer(gateway.admin)
    const cookies = ['-b', 'a=b', '--cookie', 'c=d; e="f g"', '-H', 'Cookie: x=y']
    expect(await buyer.fare('-L', ...cookies, seller.url)).toMatchObject({ code: 0, out: 'away' })
    const cookie = 'x=y; a=b; c=d; e="f g"'
    expect(seller.received.map(({ headers }) => headers.cookie)).toEqual([cookie, cookie])
    expect(away.received.map(({ headers }) => headers.cookie)).toEqual([undefined])
    await buyer.fare('-L', seller.url)
    expect(seller.received.at(-1)?.headers.cookie).toBeUndefined()
    for (const bad of ['cookies.txt', '', '=b', 'a=b\r\nx: y', 'a=b;; c']) {
      const told = await buyer.fare('-b', bad, seller.url)
      expect(told).toMatchObject({
        code: 2,
        out: '',
        err: expect.stringMatching(/-b: expected "name=value"/),
      })
    }
  })

  it('to another origin takes no credential and no Authorization along (C7)', async () => {
    const other = await startSeller((_, response) => response.end('there'), { host: 'localhost' })
    const seller = await startSeller(
      charging(gateway, (_, response) => response.writeHead(307, { location: `${other.url}/x` }).end()),
    )
    const buyer = newBuyer(gateway.admin)
    expect(await buyer.fare('-L', seller.url)).toMatchObject({ code: 0, out: 'there' })
    await buyer.fare('-L', '-H', 'Authorization: Bearer mine', '-H', 'Cookie: a=1', `${seller.url}/free`)
    for (const { headers } of other.received) {
      expect(headers.authorization).toBeUndefined()
      expect(headers.cookie).toBeUndefined()
    }
  })

  it('from https to http is paid by nobody and carries no credential (C7)', async () => {
    const plain = await startSeller(charging(gateway, (_, response) => response.end('there')))
    const tls = await startSeller((_, response) => response.writeHead(302, { location: plain.url }).end(), {
      tls: true,
    })
    const buyer = newBuyer(gateway.admin)
    expect(await buyer.fare(plain.url)).toMatchObject({ code: 0 })
    expect(await buyer.report('-k', '-L', tls.url)).toMatchObject({
      exitCode: 3,
      error: { reason: 'downgrade' },
    })
    expect(plain.kinds()).toEqual(['unpaid', 'paid', 'unpaid'])
  })

  it('needs -k for a certificate that nobody vouches for', async () => {
    const tls = await startSeller(
      charging(gateway, (_, response) => response.end('there')),
      { tls: true },
    )
    const buyer = newBuyer(gateway.admin)
    expect(await buyer.fare(tls.url)).toMatchObject({ code: 1, err: expect.stringContaining('certificate') })
    expect(await buyer.fare('-k', tls.url)).toMatchObject({ code: 0, out: 'there' })
  })
})
