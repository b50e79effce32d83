import { createHash, randomBytes } from 'node:crypto'
import {
  decodeBase64,
  decodeMacaroon,
  encodeBase64,
  encodeHex,
  encodeIdentifier,
  encodeMacaroon,
  type Macaroon,
  mintMacaroon,
  parseCaveat,
  verifyChain,
} from '@turnpike/l402'
import { describe, expect, it } from 'vitest'
import { assertNarrower } from './bounds.ts'
import { carried, open, seal, toStored } from './bundle.ts'
import { isListed, listedIn } from './enforced.ts'
import { narrowed, serviceToNarrow, typedNarrowing } from './narrow.ts'

const rootKey = randomBytes(32)
const preimage = new Uint8Array(randomBytes(32))
const paymentHash = new Uint8Array(createHash('sha256').update(preimage).digest())

function minted(...caveats: readonly string[]): Macaroon {
  const identifier = encodeIdentifier({ paymentHash, tokenId: new Uint8Array(32) })
  return mintMacaroon({ rootKey, identifier, caveats })
}

const textOf = (macaroon: Macaroon): string => encodeBase64(encodeMacaroon(macaroon))

describe('narrowing', () => {
  it('adds conditions of the service to the end of the chain, which still verifies', () => {
    const parent = minted('services=weather:0', 'weather_max_calls=50')
    const conditions = typedNarrowing({ calls: '10', spend: '5ksat', paths: '/v1/*,/x', methods: 'GET' })
    const copy = decodeMacaroon(
      decodeBase64(narrowed(parent, { service: 'weather', conditions }).text) ?? new Uint8Array(),
    )
    expect(verifyChain(rootKey, copy)).toBeDefined()
    const texts = copy.caveats
      .map(({ id }) => parseCaveat(id))
      .map((one) => `${one?.condition}=${one?.value}`)
    expect(texts).toEqual([
      'services=weather:0',
      'weather_max_calls=50',
      'weather_max_calls=10',
      'weather_max_spend_msat=5000000',
      'weather_paths=/v1/*,/x',
      'weather_methods=GET',
    ])
  })

  it('binds a credential for several services to the one that was named', () => {
    const parent = minted('services=weather:0,maps:2')
    expect(() => serviceToNarrow(parent, undefined)).toThrow(/weather, maps; --service/)
    expect(() => serviceToNarrow(parent, 'other')).toThrow(/--service/)
    const service = serviceToNarrow(parent, 'maps')
    expect(narrowed(parent, { service, conditions: typedNarrowing({ calls: '1' }) }).caveats).toEqual([
      'services=maps:2',
      'maps_max_calls=1',
    ])
    expect(() => serviceToNarrow(minted('services=a:0,b:0', 'services=b:0'), undefined)).not.toThrow()
    expect(() => serviceToNarrow(minted(), undefined)).toThrow(/--service/)
  })

  it.each([
    [{}, /at least one/],
    [{ calls: '0' }, /--calls/],
    [{ calls: '1e3' }, /--calls/],
    [{ spend: '5' }, /--spend/],
    [{ until: '2020-01-01' }, /--until/],
    [{ paths: 'v1' }, /--paths/],
    [{ paths: '/v1*' }, /--paths/],
    [{ methods: 'get' }, /--methods/],
    [{ methods: 'GET,FOO' }, /--methods/],
    [{ methods: 'TRACE' }, /--methods/],
    [{ spend: '0' }, /--spend: expected an amount above 0/],
    [{ spend: '0 sat' }, /--spend/],
  ])('refuses %j', (typed, says) => {
    expect(() => typedNarrowing(typed)).toThrow(says)
  })
})

describe('a copy that is no narrower', () => {
  const caveats = [
    'services=weather:0,maps:2',
    'weather_max_calls=50',
    'weather_max_spend_msat=5000',
    'weather_valid_until=1000',
    'weather_paths=/v1/*',
    'weather_methods=GET',
    'weather_capabilities=',
  ]
  const check = (parent: Macaroon, service: string, text: string): void => {
    const [condition = '', value = ''] = text.split('=')
    assertNarrower(parent, { service, conditions: [{ condition: condition as 'max_calls', value }] })
  }

  it.each([
    ['max_calls=51', /^--calls: this credential has weather_max_calls=50, and a copy can only be narrower/],
    ['max_spend_msat=5001', /^--spend: .* weather_max_spend_msat=5000/],
    ['valid_until=1001', /^--until: .* weather_valid_until=1000/],
    ['paths=/v1/*,/x', /^--paths: .* weather_paths=\/v1\/\*/],
    ['methods=GET,POST', /^--methods: .* weather_methods=GET/],
  ])('is refused, and the bound named: %s', (text, says) => {
    expect(() => check(minted(...caveats), 'weather', text)).toThrow(says)
    // Another service has no such bound.
    expect(() => check(minted(...caveats), 'maps', text)).not.toThrow()
  })

  it.each(['max_calls=50', 'max_spend_msat=1', 'valid_until=1000', 'paths=/v1/a', 'methods=HEAD'])(
    'is another than one with %s',
    (text) => {
      expect(() => check(minted(...caveats), 'weather', text)).not.toThrow()
    },
  )

  it('is one of a copy too, and of a credential that names no service', () => {
    const [first = '', ...rest] = caveats
    expect(() => check(minted(...caveats, 'weather_max_calls=3'), 'weather', 'max_calls=4')).toThrow(/=3, /)
    expect(() => check(minted(...rest), 'weather', 'max_calls=51')).toThrow(/--calls/)
    expect(() => check(minted(first), 'weather', 'paths=/a//b')).toThrow(/--paths: no server takes/)
  })
})

describe('the list of enforced conditions', () => {
  it('is found under x-l402 wherever it stands, and is none where there is none', () => {
    const listed = listedIn({
      'x-l402': { conditions: ['max_calls', 7] },
      paths: { '/x': { get: { 'x-l402': { conditions: ['maps_paths'] } } } },
    })
    const has = (service: string, condition: string): boolean =>
      listed !== null && isListed(listed, { service, condition })
    expect([has('any', 'max_calls'), has('maps', 'paths'), has('weather', 'paths')]).toEqual([
      true,
      true,
      false,
    ])
    const apart = listedIn({
      'x-l402': { conditions: { other: ['max_calls'], weather: ['valid_until', 'weather_paths'] } },
      paths: { '/x': { get: { 'x-l402': { service: 'maps', conditions: ['methods'] } } } },
    })
    const of = (service: string, condition: string): boolean =>
      apart !== null && isListed(apart, { service, condition })
    expect([of('other', 'max_calls'), of('weather', 'valid_until'), of('weather', 'paths')]).toEqual([
      true,
      true,
      true,
    ])
    expect([of('weather', 'max_calls'), of('weather', 'methods'), of('other', 'paths')]).toEqual([
      false,
      false,
      false,
    ])
    expect(of('maps', 'methods')).toBe(true)
    expect(listedIn({ paths: {} })).toBeNull()
    expect(listedIn({ 'x-l402': { conditions: 'max_calls' } })).toBeNull()
    expect(listedIn(null)).toBeNull()
  })
})

describe('credentials on their way', () => {
  const one = {
    origin: 'https://api.example.com',
    macaroon: textOf(minted('services=weather:0')),
    preimage: encodeHex(preimage),
    boughtFor: 'https://api.example.com GET /x',
    costMsat: '5',
    createdAtMs: 1_000,
  }
  const given = { origin: undefined, passphrase: () => 'correct horse' }

  it('come out of a bundle as they went in, and not with another passphrase or a bit turned', async () => {
    const bundle = await seal([one], 'correct horse')
    expect(bundle).not.toContain(one.macaroon)
    expect(bundle).not.toContain(one.preimage)
    expect(await open(bundle, given)).toEqual({ format: 'bundle', all: [one] })
    await expect(open(bundle, { ...given, passphrase: () => 'correct house' })).rejects.toThrow(/passphrase/)
    const fields = JSON.parse(bundle) as { data: string }
    const data = Buffer.from(fields.data, 'base64')
    data[3] = (data[3] ?? 0) ^ 1
    const turned = JSON.stringify({ ...fields, data: data.toString('base64') })
    await expect(open(turned, given)).rejects.toThrow(/damaged/)
    const stored = toStored(one)
    expect(stored).toMatchObject({ origin: one.origin, paymentHash, costMsat: 0n, rejectedFor: [] })
    expect(carried(stored)).toEqual({ ...one, costMsat: '0' })
  })

  it('come from an Authorization value, which has to be told where it is good', async () => {
    const line = `L402 ${one.macaroon}:${one.preimage}`
    const origin = one.origin
    for (const text of [line, `${line}\n`, `Authorization: ${line}`])
      expect(await open(text, { ...given, origin })).toMatchObject({
        format: 'authorization',
        all: [{ origin, macaroon: one.macaroon, preimage: one.preimage }],
      })
    await expect(open(line, given)).rejects.toThrow(/--origin/)
    expect(await open(JSON.stringify({ origin, authorization: line }), given)).toMatchObject({
      all: [{ origin }],
    })
    for (const bad of ['', 'Bearer x', `L402 ${one.macaroon}`, `L402 ${one.macaroon}:00`])
      await expect(open(bad, { ...given, origin })).rejects.toThrow(/expected "L402/)
    for (const bad of ['{}', '[]', '7']) await expect(open(bad, given)).rejects.toThrow(/bundle/)
  })

  it('are refused where the preimage is another one, without a word of them', () => {
    const wrong = { ...one, preimage: '00'.repeat(32) }
    expect(() => toStored(wrong)).toThrow(/not the one of its macaroon/)
    for (const bad of [
      { ...one, origin: 'ftp://x' },
      { ...one, preimage: 'xx' },
      { ...one, macaroon: 'a b' },
    ])
      expect(() => toStored(bad)).toThrow(/a credential in it/)
  })
})
