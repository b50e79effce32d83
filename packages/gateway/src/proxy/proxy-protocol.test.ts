import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import {
  closeAll,
  closed,
  open,
  parseAnswer,
  readAll,
  readUntil,
  request,
  startGateway,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'
import { parseProxyHeader } from './proxy-protocol.ts'

afterEach(closeAll)

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

function v2(command: number, family: number, rest: Uint8Array): Buffer {
  const fixed = Buffer.from([command, family, rest.length >> 8, rest.length & 255])
  return Buffer.concat([SIGNATURE, fixed, rest])
}

const v1 = (line: string): Buffer => Buffer.from(`${line}\r\n`, 'latin1')
const PORTS = [0x1f, 0x90, 0x00, 0x50]
const V4 = v2(0x21, 0x11, Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, ...PORTS]))
const V6 = v2(
  0x21,
  0x21,
  Buffer.concat([
    Buffer.from('20010db8000000000000000000000001', 'hex'),
    Buffer.alloc(16),
    Buffer.from(PORTS),
  ]),
)

describe('a PROXY protocol header', () => {
  it.each([
    ['version 1, IPv4', v1('PROXY TCP4 192.0.2.7 10.0.0.1 8080 80'), '192.0.2.7'],
    ['version 1, IPv6', v1('PROXY TCP6 2001:db8::1 ::1 8080 80'), '2001:db8::1'],
    ['version 1, unknown', v1('PROXY UNKNOWN'), undefined],
    ['version 1, unknown with more', v1('PROXY UNKNOWN ffff::1 ::2 1 2'), undefined],
    ['version 2, IPv4', V4, '192.0.2.7'],
    ['version 2, IPv6', V6, '2001:db8::1'],
    ['version 2, with more', v2(0x21, 0x11, Buffer.concat([V4.subarray(16), Buffer.alloc(40)])), '192.0.2.7'],
    ['version 2, from the proxy itself', v2(0x20, 0x00, Buffer.alloc(0)), undefined],
    ['version 2, over a Unix socket', v2(0x21, 0x31, Buffer.alloc(216)), undefined],
  ])('of %s is read to its end and no further', (_, header, address) => {
    expect(parseProxyHeader(Buffer.concat([header, Buffer.from('GET /')]))).toEqual({
      address,
      length: header.length,
    })
    for (let cut = 0; cut < header.length; cut++)
      expect(parseProxyHeader(header.subarray(0, cut))).toBe('more')
  })

  it.each([
    ['none', Buffer.from('GET / HTTP/1.1\r\n')],
    ['of another version', v2(0x31, 0x11, V4.subarray(16))],
    ['with an unknown command', v2(0x22, 0x11, V4.subarray(16))],
    ['of an unknown family', v2(0x21, 0x41, Buffer.alloc(36))],
    ['too short for its family', v2(0x21, 0x21, V4.subarray(16))],
    ['longer than allowed', v2(0x21, 0x11, Buffer.alloc(4096))],
    ['with an address of the other family', v1('PROXY TCP6 192.0.2.7 10.0.0.1 1 2')],
    ['with a zone', v1('PROXY TCP6 fe80::1%eth0 ::1 1 2')],
    ['with a port too high', v1('PROXY TCP4 192.0.2.7 10.0.0.1 65536 2')],
    ['with two spaces', v1('PROXY TCP4  192.0.2.7 10.0.0.1 1 2')],
    ['without an end', Buffer.from(`PROXY TCP4 ${'1'.repeat(100)}`)],
    ['in small letters', v1('proxy TCP4 192.0.2.7 10.0.0.1 1 2')],
  ])('that is %s is refused', (_, bytes) => {
    expect(parseProxyHeader(bytes)).toBe('malformed')
  })

  it('of any bytes is an address, a wish for more, or refused; never more bytes than there are', () => {
    const start = fc.constantFrom(Buffer.alloc(0), SIGNATURE, V4.subarray(0, 14), Buffer.from('PROXY TCP4 '))
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 300 }), (before, after) => {
        const bytes = Buffer.concat([before, after])
        const header = parseProxyHeader(bytes)
        if (typeof header === 'object') expect(header.length).toBeLessThanOrEqual(bytes.length)
        else expect(['more', 'malformed']).toContain(header)
      }),
    )
  })

  it('of any address comes back as that address', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.nat(65_535), (address, port) => {
        const line = v1(`PROXY TCP4 ${address} 10.0.0.1 ${port} 80`)
        expect(parseProxyHeader(line)).toEqual({ address, length: line.length })
        const bytes = Buffer.from([...address.split('.').map(Number), 10, 0, 0, 1, ...PORTS])
        expect(parseProxyHeader(v2(0x21, 0x11, bytes))).toMatchObject({ address })
      }),
    )
  })
})

describe('a listener behind a proxy that speaks it', () => {
  async function started(trusted: (peer: string) => boolean = () => true, timeoutMs = 5_000) {
    const upstream = await startUpstream()
    const records: string[] = []
    const gateway = await startGateway({
      routing: [tableOf(upstream.origin)],
      proxyHeaders: { trusted, timeoutMs },
      hooks: { finished: ({ clientAddress }) => void records.push(clientAddress) },
    })
    return { upstream, records, gateway }
  }

  it.each<[string, (header: Buffer, rest: Buffer) => readonly Buffer[]]>([
    ['in one piece', (header, rest) => [Buffer.concat([header, rest])]],
    ['byte by byte', (header, rest) => [...Array.from(header, (byte) => Buffer.from([byte])), rest]],
  ])('knows the client by it, with the request %s', async (_, pieces) => {
    const { upstream, records, gateway } = await started()
    for (const header of [v1('PROXY TCP4 203.0.113.9 10.0.0.1 8080 80'), V6]) {
      const socket = open(gateway.port).setNoDelay(true)
      const text = readAll(socket)
      for (const piece of pieces(header, Buffer.from(request('GET', '/free/x'))))
        await new Promise((resolve) => socket.write(piece, resolve))
      expect(parseAnswer(await text).status).toBe(200)
    }
    expect(records).toEqual(['203.0.113.9', '2001:db8::1'])
    const lines = upstream.seen[0]?.rawHeaders ?? []
    expect(lines[lines.indexOf('X-Forwarded-For') + 1]).toBe('203.0.113.9')
  })

  it('serves several requests of one connection', async () => {
    const { records, gateway } = await started()
    const socket = open(gateway.port)
    const ask = 'GET /free/x HTTP/1.1\r\nHost: gateway.test\r\n\r\n'
    socket.write(Buffer.concat([V4, Buffer.from(ask)]))
    await readUntil(socket, /\{"ok":true\}/)
    socket.write(ask)
    await readUntil(socket, /\{"ok":true\}/)
    socket.destroy()
    await expect.poll(() => records).toEqual(['192.0.2.7', '192.0.2.7'])
  })

  it.each([
    ['no header', Buffer.from(request('GET', '/free/x'))],
    ['a malformed one', v1('PROXY TCP4 1.2.3.4.5 10.0.0.1 1 2')],
    ['half of one', V4.subarray(0, 20)],
  ])('closes a connection with %s', async (_, bytes) => {
    const { upstream, gateway } = await started()
    const socket = open(gateway.port)
    const text = readAll(socket)
    socket.end(bytes)
    expect(await text).toBe('')
    expect(upstream.seen).toEqual([])
  })

  it('closes connections from elsewhere, and those that send nothing in time', async () => {
    const strict = await started((peer) => peer !== '127.0.0.1')
    const socket = open(strict.gateway.port)
    const text = readAll(socket)
    socket.write(Buffer.concat([V4, Buffer.from(request('GET', '/free/x'))]))
    expect(await text).toBe('')
    const slow = await started(() => true, 20)
    const silent = open(slow.gateway.port)
    silent.resume()
    await closed(silent)
  })
})
