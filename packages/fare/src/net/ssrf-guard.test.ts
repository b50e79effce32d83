import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addressGuard, guardedConnector, isPrivateAddressError, isPublicAddress } from './ssrf-guard.ts'

describe('an address', () => {
  it.each([
    '127.0.0.1',
    '127.255.0.9',
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:db8::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    'localhost',
    '',
  ])('%s is not public', (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })

  it.each(['1.1.1.1', '8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])(
    '%s is public',
    (address) => {
      expect(isPublicAddress(address)).toBe(true)
    },
  )
})

describe('a guarded connection', () => {
  const requests: string[] = []
  const server = createServer((incoming, response) => {
    requests.push(incoming.url ?? '')
    response.end('inside')
  })
  beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'))
  afterAll(() => server.close())

  const ask = async (host: string, allow?: readonly string[]): Promise<string> => {
    const guard = addressGuard(allow === undefined ? {} : { allow })
    const dispatcher = new Agent({ connect: guardedConnector(guard) })
    try {
      const { port } = server.address() as AddressInfo
      const { body } = await request(`http://${host}:${port}/${host}`, { dispatcher })
      return await body.text()
    } finally {
      await dispatcher.destroy()
    }
  }

  it.each(['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]', '[::1]'])(
    'to %s is refused before anything is sent',
    async (host) => {
      const error = await ask(host).catch((cause: unknown) => cause)
      expect(isPrivateAddressError(error)).toBe(true)
      expect(requests).toEqual([])
    },
  )

  it('is made where the range is allowed', async () => {
    expect(await ask('127.0.0.1', ['127.0.0.0/8'])).toBe('inside')
    expect(await ask('[::ffff:127.0.0.1]', ['127.0.0.1'])).toBe('inside')
    await expect(ask('127.0.0.1', ['10.0.0.0/8'])).rejects.toThrow('127.0.0.1 is not a public address')
  })

  it.each(['10.0.0.0/33', 'example', '10.0.0.0/', '::/129', '1.2.3.4/8/8'])(
    'is not made from a list with "%s" in it',
    (range) => {
      expect(() => addressGuard({ allow: [range] })).toThrow('expected an address or network')
    },
  )
})

describe('a guard', () => {
  it('opens what was named, in every spelling, and nothing beside it', () => {
    const guard = addressGuard({ allow: ['127.0.0.1', '10.2.0.0/16', 'fd00::/8'] })
    for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '::ffff:7f00:1', '10.2.3.4', 'fd12::1'])
      expect([address, guard.allows(address)]).toEqual([address, true])
    for (const address of ['127.0.0.2', '10.3.0.1', 'fc00::1', '::1'])
      expect([address, guard.allows(address)]).toEqual([address, false])
  })

  it.each([
    'x',
    '',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    'localhost',
    '10.0.0.1:80',
  ])('says that "%s" is no network', (network) => {
    expect(() => addressGuard({ allow: [network] })).toThrow(RangeError)
  })

  it('judges an IPv4 address in IPv6 clothes as itself', () => {
    const guard = addressGuard()
    fc.assert(
      fc.property(fc.ipV4(), (address) => guard.allows(`::ffff:${address}`) === guard.allows(address)),
      { numRuns: 500 },
    )
  })
})
