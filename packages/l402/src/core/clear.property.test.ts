/**
 * The property that delegation rests on (protocol §5): appending any caveat to any credential never widens what it
 * opens. Decided over whole decisions: bytes, chain, summary, request.
 *
 * One thing lies outside it by nature. A credential that was minted without `services`, or without the capabilities
 * of a service, opens nothing that needs them; but whoever holds it can append what the mint left out, and no server
 * can tell. So nothing is claimed of such a pair but that the incomplete credential is refused.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeHex, encodeUtf8 } from './bytes.ts'
import { parseCaveat } from './caveat.ts'
import { mintMacaroon, verifyChain } from './chain.ts'
import {
  type ClearContext,
  clearCaveats,
  type Enforceable,
  type ServicePolicy,
  type Summary,
  summariseCaveats,
} from './clear.ts'
import { hmacSha256 } from './hash.ts'
import { decodeMacaroon, encodeMacaroon, type Macaroon, type MacaroonCaveat } from './macaroon.ts'
import type { Refusal } from './refusal.ts'

const rootKey = new Uint8Array(32).fill(7)
// Names that are each other's beginning, one of them ending like a condition.
const SERVICES = ['a', 'a_b', 'a_max'] as const
const service = fc.constantFrom('a', 'a', 'a', ...SERVICES)

const VALUES: Readonly<Record<string, readonly string[]>> = {
  capabilities: ['', 'r', 'r,w', 'GET /*,r', 'w,r,GET /*'],
  valid_until: ['900', '1000', '2000', '3000', '9223372036854775807'],
  max_calls: ['0', '1', '5', '10', '9223372036854775807'],
  max_spend_msat: ['0', '1000', '5000'],
  credit_msat: ['0', '1', '1000', '9223372036854775807'],
  rate: ['1/60', '10/60', '10/120', '20/10'],
  methods: ['GET', 'GET,POST', 'HEAD', 'POST,GET,PUT', 'HEAD,GET'],
  paths: ['/*', '/v1/*', '/v1/*,/v2', '/v1/a', '/v1/a,/v2', '/*/a'],
  ip: ['0.0.0.0/0,::/0', '10.0.0.0/8', '10.1.0.0/16', '::ffff:10.1.2.0/120', '2001:db8::/32', '10.1.2.3'],
  origin: ['https://a.example', 'https://a.example,https://b.example', 'https://b.example'],
}
const WRONG = [
  '',
  ' ',
  '-1',
  '1e3',
  '0x1',
  '01',
  '*',
  ',',
  'a,',
  '/..',
  '/a*',
  '1/0',
  '999.0.0.0/8',
  'null',
  '\u0000',
  'é',
]
const LIST_OF_SERVICES = [
  'a:0',
  'a:0,a_b:0',
  'a:0,a:1,a_b:0,a_max:0',
  'a_b:0',
  'a:1',
  'a_max:0,a:0',
  'a:0,c:0',
]
const KEYS = ['A'.repeat(43), `${'A'.repeat(42)}E`]
const CRIT = [
  'services',
  'crit,preimage',
  'a_valid_until',
  'a_b_rate',
  'note',
  'dpop_jkt',
  'a_max_max_calls',
  'c_ip',
]

const serviceCaveat = fc
  .tuple(service, fc.constantFrom(...Object.keys(VALUES)))
  .chain(([name, condition]) =>
    fc
      .oneof(
        { weight: 12, arbitrary: fc.constantFrom(...(VALUES[condition] ?? [])) },
        fc.constantFrom(...WRONG),
      )
      .map((value) => `${name}_${condition}=${value}`),
  )
const commonCaveat = fc.oneof(
  fc.constantFrom(...LIST_OF_SERVICES).map((value) => `services=${value}`),
  fc.constantFrom(...KEYS, ...WRONG).map((value) => `dpop_jkt=${value}`),
  fc.constantFrom(...CRIT, ...WRONG).map((value) => `crit=${value}`),
  fc.constantFrom('00'.repeat(32), '').map((value) => `preimage=${value}`),
)
const unknownCaveat = fc.oneof(
  fc.constantFrom(
    'note=x',
    'a_body=x',
    ' a_methods=POST',
    'A_methods=POST',
    'c_valid_until=0',
    'a_=',
    'no equals sign',
    '',
  ),
  fc.string({ unit: 'grapheme' }),
)
const bytesOf = (text: fc.Arbitrary<string>): fc.Arbitrary<MacaroonCaveat> =>
  text.map((t) => ({ id: encodeUtf8(t) }))
const caveat: fc.Arbitrary<MacaroonCaveat> = fc.oneof(
  { weight: 14, arbitrary: bytesOf(serviceCaveat) },
  { weight: 3, arbitrary: bytesOf(commonCaveat) },
  { weight: 3, arbitrary: bytesOf(unknownCaveat) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((id) => ({ id })) },
  {
    weight: 1,
    arbitrary: bytesOf(serviceCaveat).map(({ id }) => ({ id: Uint8Array.of(...id, 0xff) })),
  },
  { weight: 1, arbitrary: bytesOf(serviceCaveat).map(({ id }) => ({ id, verificationId: id })) },
)

/** What a mint puts in; now and then a part is left out. */
const minted = fc
  .tuple(
    fc.option(fc.constantFrom(...LIST_OF_SERVICES.slice(0, 3)), { freq: 19 }),
    fc.constantFrom<readonly string[]>(['a'], SERVICES, SERVICES, SERVICES, SERVICES, SERVICES),
    fc.constantFrom('r', 'r,w', 'w,r,GET /*'),
    fc.constantFrom(
      [],
      ['a_max_calls=10'],
      ['a_max_calls=5', 'a_valid_until=2000'],
      ['a_b_max_calls=10'],
      [`dpop_jkt=${KEYS[0]}`],
    ),
    fc.constantFrom<readonly string[]>([], [], ['a_credit_msat=1000']),
  )
  .map(([list, names, held, grants, credit]) => [
    ...(list === null ? [] : [`services=${list}`]),
    ...credit,
    ...names.map((name) => `${name}_capabilities=${held}`),
    ...grants,
  ])

const policy: fc.Arbitrary<ServicePolicy> = fc.record(
  {
    service,
    tier: fc.constantFrom(0, 0, 0, 0, 0, 0, 1),
    knownServices: fc.constantFrom(new Set(SERVICES), new Set<string>(), new Set(['a'])),
    unknownCaveats: fc.constantFrom('skip', 'skip', 'refuse'),
    enforced: fc.constantFrom(
      new Set<Enforceable>(['max_calls', 'max_spend_msat', 'rate', 'dpop_jkt']),
      new Set<Enforceable>(['max_calls', 'max_spend_msat', 'rate', 'dpop_jkt']),
      new Set<Enforceable>(['max_calls']),
      new Set<Enforceable>(),
    ),
  },
  { requiredKeys: ['service', 'enforced'] },
)

const request: fc.Arbitrary<ClearContext> = fc.record(
  {
    nowSeconds: fc.constantFrom(950, 950, 1000, 2500),
    method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST'),
    path: fc.constantFrom('/v1/a', '/v1/a', '/v2', '/'),
    capability: fc.constantFrom('', 'r', 'r', 'w', 'GET /*'),
    clientAddress: fc.constantFrom('10.1.2.3', '10.1.2.3', '2001:db8::1', '11.0.0.1'),
    origin: fc.constantFrom('https://a.example', 'https://b.example'),
  },
  { requiredKeys: ['nowSeconds', 'method', 'path', 'capability', 'clientAddress'] },
)

/** Appends as any holder can, also what the library would not. */
function append(m: Macaroon, added: readonly MacaroonCaveat[]): Macaroon {
  let signature = m.signature
  for (const { id, verificationId } of added) {
    const third = verificationId && [hmacSha256(signature, verificationId), hmacSha256(signature, id)]
    signature = hmacSha256(
      signature,
      third === undefined ? id : Uint8Array.from(third.flatMap((part) => [...part])),
    )
  }
  return { ...m, caveats: [...m.caveats, ...added], signature }
}

interface Outcome {
  readonly summary: Summary | Refusal
  readonly passes: boolean
}

/** The whole decision, from bytes. */
function decide(m: Macaroon, policy: ServicePolicy, request: ClearContext): Outcome {
  const read = decodeMacaroon(encodeMacaroon(m))
  const signatures = verifyChain(rootKey, read)
  if (signatures === undefined) throw new Error('the chain does not hold')
  const caveats = read.caveats.map((caveat, i) => ({ caveat, signature: signatures[i + 1] as Uint8Array }))
  const summary = summariseCaveats(caveats, policy)
  return { summary, passes: summary.ok && clearCaveats(summary, request).ok }
}

/** Whether the credential says all that a mint must say for this request. */
function isComplete(m: Macaroon, { service }: ServicePolicy, { capability }: ClearContext): boolean {
  const conditions = m.caveats.map(({ id, verificationId }) =>
    verificationId ? undefined : parseCaveat(id)?.condition,
  )
  return (
    conditions.includes('services') && (capability === '' || conditions.includes(`${service}_capabilities`))
  )
}

function keysOf(summary: Summary): Set<string> {
  const counters = summary.counters.map(({ key, limit, kind }) => `${kind} ${limit} ${encodeHex(key)}`)
  const rates = summary.rates.map(({ key, rate }) => `${rate.limit}/${rate.seconds} ${encodeHex(key)}`)
  return new Set([...counters, ...rates])
}

describe('appending any caveat to any credential', () => {
  it('never widens what it opens', () => {
    const tally = { incomplete: 0, bothRefused: 0, narrowed: 0, bothPassed: 0, counted: 0, newCounters: 0 }
    const held = fc.array(caveat, { maxLength: 2 })
    const added = fc.array(caveat, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(
        minted,
        held,
        added,
        policy,
        fc.array(request, { minLength: 3, maxLength: 3 }),
        (texts, first, more, rules, requests) => {
          const identifier = new Uint8Array(66)
          const parent = append(mintMacaroon({ rootKey, identifier, caveats: texts }), first)
          const child = append(parent, more)
          for (const asked of requests) {
            const before = decide(parent, rules, asked)
            if (!isComplete(parent, rules, asked)) {
              tally.incomplete++
              expect(before.passes).toBe(false)
              continue
            }
            const after = decide(child, rules, asked)
            if (!before.summary.ok) expect(after.summary.ok).toBe(false)
            if (!before.passes) {
              tally.bothRefused++
              expect(after.passes).toBe(false)
              continue
            }
            tally[after.passes ? 'bothPassed' : 'narrowed']++
            if (!before.summary.ok || !after.summary.ok) continue
            const [wide, narrow] = [before.summary, after.summary]
            const keys = keysOf(narrow)
            for (const key of keysOf(wide)) expect(keys.has(key)).toBe(true)
            if (wide.counters.length > 0) tally.counted++
            if (narrow.counters.length > wide.counters.length) tally.newCounters++
            expect(narrow.expiresAt ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(
              wide.expiresAt ?? Number.POSITIVE_INFINITY,
            )
            // Credit is the mint's word alone; every mint puts the capabilities behind it.
            const holds = texts.some((text) => text.startsWith(`${rules.service}_capabilities=`))
            if (holds) expect(narrow.credit).toEqual(wide.credit)
            if (wide.keyThumbprint !== null) expect(narrow.keyThumbprint).toBe(wide.keyThumbprint)
          }
        },
      ),
      { numRuns: 4000 },
    )
    // The generators must reach every way this can end, or the property says little.
    for (const [what, times] of Object.entries(tally)) expect(times, what).toBeGreaterThan(50)
  })

  it('never widens it one condition at a time, whatever the order of the values', () => {
    const tally = { pass: 0, narrowed: 0, refused: 0 }
    const conditions = Object.keys(VALUES)
    const asked: fc.Arbitrary<ClearContext> = fc.record({
      nowSeconds: fc.constantFrom(950, 1500, 2500),
      method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT'),
      path: fc.constantFrom('/v1/a', '/v1/b', '/v2', '/v2/a', '/'),
      capability: fc.constantFrom('r', 'w', 'GET /*'),
      clientAddress: fc.constantFrom('10.1.2.3', '10.2.0.1', '2001:db8::1'),
      origin: fc.constantFrom('https://a.example', 'https://b.example'),
    })
    const enforced = new Set<Enforceable>(['max_calls', 'max_spend_msat', 'rate', 'dpop_jkt'])
    const rules = { service: 'a', enforced }
    fc.assert(
      fc.property(
        fc.constantFrom(...conditions),
        fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }),
        asked,
        (condition, picks, request) => {
          const values = VALUES[condition] ?? []
          let m = mintMacaroon({
            rootKey,
            identifier: new Uint8Array(66),
            caveats: ['services=a:0', 'a_capabilities=w,r,GET /*'],
          })
          let passes = decide(m, rules, request).passes
          expect(passes).toBe(true)
          for (const pick of picks) {
            m = append(m, [{ id: encodeUtf8(`a_${condition}=${values[pick % values.length]}`) }])
            const next = decide(m, rules, request).passes
            if (!passes) expect(next).toBe(false)
            tally[next ? 'pass' : passes ? 'narrowed' : 'refused']++
            passes = next
          }
        },
      ),
      { numRuns: 2000 },
    )
    for (const [what, times] of Object.entries(tally)) expect(times, what).toBeGreaterThan(50)
  })
})
