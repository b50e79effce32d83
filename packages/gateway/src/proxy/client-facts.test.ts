import type { IncomingMessage } from 'node:http'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressBlocks } from '../assemble.ts'
import { clientFacts } from './client-facts.ts'

const trusted = addressBlocks(['10.0.0.0/8', 'fd00::/8'])

function facts(
  peer: string,
  headers: Record<string, readonly string[]>,
  proxies: typeof trusted | undefined = trusted,
) {
  const req = { headersDistinct: headers, socket: {} } as unknown as IncomingMessage
  return clientFacts(req, peer, { host: 'api.example', trusted: proxies })
}
const addressOf = (peer: string, ...lines: string[]): string =>
  facts(peer, { 'x-forwarded-for': lines }).address

describe('the client behind proxies', () => {
  it('is the right-most address that is no proxy’s', () => {
    expect(addressOf('10.0.0.1', '203.0.113.7')).toBe('203.0.113.7')
    expect(addressOf('10.0.0.1', '198.51.100.9, 203.0.113.7, 10.2.2.2')).toBe('203.0.113.7')
    expect(addressOf('10.0.0.1', '198.51.100.9', '203.0.113.7, 10.2.2.2')).toBe('203.0.113.7')
    expect(addressOf('fd00::1', '2001:DB8::7')).toBe('2001:db8::7')
  })

  it('is the left-most one where all are proxies', () => {
    expect(addressOf('10.0.0.1', '10.1.1.1, 10.2.2.2')).toBe('10.1.1.1')
    expect(addressOf('10.0.0.1')).toBe('10.0.0.1')
  })

  it.each([
    ['203.0.113.7:1234', '203.0.113.7'],
    ['[2001:db8::7]:443', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['  203.0.113.7  ', '203.0.113.7'],
  ])('may be spelt %j', (text, address) => {
    expect(addressOf('10.0.0.1', text)).toBe(address)
  })

  it.each(['unknown', '_hidden', '203.0.113', '203.0.113.7.1', 'fe80::1%eth0', '"203.0.113.7"', '1.2.3.4:x'])(
    'is not looked for beyond %j, which is no address',
    (text) => {
      expect(addressOf('10.0.0.1', `198.51.100.9, ${text}, 10.2.2.2`)).toBe('10.2.2.2')
    },
  )

  it('is read from Forwarded where there is no X-Forwarded-For (RFC 7239)', () => {
    const forwarded = ['for=198.51.100.9, for="[2001:db8::7]:4711";proto=https, for=10.2.2.2;by=10.0.0.1']
    expect(facts('10.0.0.1', { forwarded }).address).toBe('2001:db8::7')
    expect(facts('10.0.0.1', { forwarded, 'x-forwarded-for': ['203.0.113.7'] }).address).toBe('203.0.113.7')
  })

  it('asked what the proxy next to us says', () => {
    const headers = { 'x-forwarded-proto': ['http, https'], 'x-forwarded-host': ['API.example.com:8443'] }
    expect(facts('10.0.0.1', headers)).toMatchObject({ scheme: 'https', host: 'api.example.com:8443' })
    expect(facts('10.0.0.1', { 'x-forwarded-proto': ['ftp'], 'x-forwarded-host': ['a b'] })).toMatchObject({
      scheme: 'http',
      host: 'api.example',
    })
  })

  it('is told to the upstream with the chain before us', () => {
    expect(facts('10.0.0.1', { 'x-forwarded-for': ['198.51.100.9, 203.0.113.7'] }).forwardedFor).toBe(
      '198.51.100.9, 203.0.113.7, 10.0.0.1',
    )
    expect(facts('192.0.2.1', { 'x-forwarded-for': ['203.0.113.7'] }).forwardedFor).toBe('192.0.2.1')
  })

  it('is never anybody’s choice who is no proxy', () => {
    const value = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.constant('10.0.0.1'))
    const lines = fc.array(
      fc.array(value, { maxLength: 4 }).map((items) => items.join(', ')),
      { maxLength: 3 },
    )
    fc.assert(
      fc.property(
        fc.ipV4().filter((address) => !trusted(address)),
        lines,
        lines,
        (peer, first, second) => {
          const headers = { 'x-forwarded-for': first, forwarded: second, 'x-forwarded-host': first }
          expect(facts(peer, headers)).toEqual({
            ...{ address: peer, forwardedFor: peer },
            ...{ scheme: 'http', host: 'api.example' },
          })
          expect(facts(peer, headers, undefined).address).toBe(peer)
          // Behind a proxy: what stands left of the client's own address says nothing.
          const behind = [...first, `${peer}, 10.3.3.3`]
          expect(facts('10.0.0.1', { 'x-forwarded-for': behind }).address).toBe(peer)
        },
      ),
    )
  })
})
