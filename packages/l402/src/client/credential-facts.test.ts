import { describe, expect, it } from 'vitest'
import { encodeBase64, encodeUtf8 } from '../core/bytes.ts'
import { mintMacaroon } from '../core/chain.ts'
import { encodeIdentifier } from '../core/identifier.ts'
import { encodeMacaroon, type Macaroon } from '../core/macaroon.ts'
import {
  boundHash,
  fitnessOf,
  isSingleUse,
  isTimePass,
  namesRoute,
  readMacaroon,
  shownCaveats,
  shownCaveatsOf,
  shownText,
} from './credential-facts.ts'

const paymentHash = new Uint8Array(32).fill(7)
const identifier = encodeIdentifier({ paymentHash, tokenId: new Uint8Array(32) })
const macaroon = (...caveats: string[]): Macaroon =>
  mintMacaroon({ rootKey: new Uint8Array(32), identifier, caveats })
const request = { method: 'GET', path: '/v1/x', nowSeconds: 1000 }

describe('a macaroon text', () => {
  it('is read in either alphabet, and says which payment it is bound to', () => {
    const text = encodeBase64(encodeMacaroon(macaroon('services=a:0')))
    const read = readMacaroon(text) as Macaroon
    expect(boundHash(read)).toEqual(paymentHash)
    expect(readMacaroon(text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''))).toEqual(read)
    expect(shownCaveatsOf(text)).toEqual(['services=a:0'])
  })

  it('may be an opaque token, or have an identifier of another kind', () => {
    expect(readMacaroon('eyJhbGciOiJIUzI1NiJ9.e30.x')).toBeUndefined()
    expect(shownCaveatsOf('AAAA')).toEqual([])
    const other = mintMacaroon({ rootKey: new Uint8Array(32), identifier: encodeUtf8('another kind') })
    expect(boundHash(other)).toBeUndefined()
  })
})

describe('caveats that are shown', () => {
  it('hold no preimage, and nothing that moves a cursor (C10)', () => {
    const shown = shownCaveats(macaroon('a=1', `preimage=${'00'.repeat(32)}`, 'b=\u001b[2J\u202e'))
    expect(shown).toEqual(['a=1', 'b=\ufffd[2J\ufffd'])
    expect(shownText('one\r\ntwo')).toBe('one\ufffd\ufffdtwo')
  })
})

describe('whether a credential fits', () => {
  it.each([
    ['fits', []],
    ['fits', ['services=a:0']],
    ['fits', ['services=a:0', 'a_valid_until=1001']],
    ['expired', ['services=a:0', 'a_valid_until=1000']],
    ['expired', ['a_valid_until=1000']],
    ['expired', ['services=a:0', 'a_valid_until=1000', 'a_methods=POST']],
    ['expired', ['services=a:0', 'a_methods=POST', 'a_valid_until=1000']],
    ['elsewhere', ['services=a:0', 'a_methods=POST,PUT']],
    ['elsewhere', ['services=a:0', 'a_paths=/v2/*,/v1/y']],
    ['fits', ['services=a:0', 'a_paths=/v2/*,/v1/x', 'a_methods=GET']],
    ['fits', ['services=a:0,b:1', 'a_valid_until=1']],
    ['expired', ['services=a:0,b:1', 'a_valid_until=1', 'b_valid_until=2']],
    ['elsewhere', ['services=a:0,b:1', 'a_valid_until=1', 'b_paths=/v9']],
    ['fits', ['services=a:0', 'a_valid_until=soon']],
    ['fits', ['services=', 'a_note=hello']],
  ])('%s: %j', (fitness, caveats) => {
    expect(fitnessOf(macaroon(...caveats), request)).toBe(fitness)
  })

  it('is yes for a token nobody can read', () => {
    expect(fitnessOf(undefined, request)).toBe('fits')
  })

  it('tells one call, and a pass, from the rest', () => {
    expect(isSingleUse(macaroon('a_max_calls=1'))).toBe(true)
    expect(isSingleUse(macaroon('a_max_calls=10'))).toBe(false)
    expect(isSingleUse(undefined)).toBe(false)
    expect(isTimePass(macaroon('a_valid_until=9'))).toBe(true)
    expect(isTimePass(macaroon('a_valid_until=9', 'a_max_calls=3'))).toBe(false)
    expect(isTimePass(macaroon('a_max_spend_msat=3'))).toBe(false)
    expect(isTimePass(undefined)).toBe(false)
  })
})

describe('capabilities that are named after routes', () => {
  it.each<[string[], string, string, boolean | undefined]>([
    [['a_capabilities=GET /v1/*'], 'GET', '/v1/x', true],
    [['a_capabilities=GET /v1/*'], 'HEAD', '/v1/x', true],
    [['a_capabilities=GET /v1/*'], 'POST', '/v1/x', false],
    [['a_capabilities=GET%2CPOST /v1/x'], 'POST', '/v1/x', true],
    [['a_capabilities=/v1/*'], 'PUT', '/v1/x', true],
    [['a_capabilities=/v2/*,/v1/y'], 'GET', '/v1/x', false],
    [['a_capabilities=/v2/*', 'b_capabilities=/v1/*'], 'GET', '/v1/x', true],
    [['a_capabilities=add,subtract'], 'GET', '/v1/x', undefined],
    [['a_capabilities='], 'GET', '/v1/x', undefined],
    [['services=a:0'], 'GET', '/v1/x', undefined],
  ])('%j: %s %s is %s', (caveats, method, path, expected) => {
    expect(namesRoute(macaroon(...caveats), { method, path })).toBe(expected)
  })
})
