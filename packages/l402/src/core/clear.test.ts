import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, encodeUtf8 } from './bytes.ts'
import { mintMacaroon, verifyChain } from './chain.ts'
import {
  type ClearContext,
  clearCaveats,
  type Enforceable,
  type ServicePolicy,
  type Summary,
  summariseCaveats,
} from './clear.ts'
import type { Macaroon } from './macaroon.ts'
import type { Refusal } from './refusal.ts'

const rootKey = new Uint8Array(32)
const all: ReadonlySet<Enforceable> = new Set(['max_calls', 'max_spend_msat', 'rate', 'dpop_jkt'])
const policy: ServicePolicy = {
  service: 'svc',
  knownServices: new Set(['svc', 'pool']),
  enforced: new Set(['max_calls']),
}
const request: ClearContext = {
  nowSeconds: 1000,
  method: 'GET',
  path: '/v1/a',
  capability: 'read',
  clientAddress: '10.1.2.3',
  origin: 'https://app.example',
}
const base = ['services=svc:0', 'svc_capabilities=read,write']

function chained(m: Macaroon) {
  const signatures = verifyChain(rootKey, m) ?? []
  return m.caveats.map((caveat, i) => ({ caveat, signature: signatures[i + 1] as Uint8Array }))
}

function summarise(caveats: readonly string[], over: Partial<ServicePolicy> = {}): Summary | Refusal {
  const m = mintMacaroon({ rootKey, identifier: new Uint8Array(66), caveats })
  return summariseCaveats(chained(m), { ...policy, ...over })
}

function summaryOf(caveats: readonly string[], over: Partial<ServicePolicy> = {}): Summary {
  const result = summarise(caveats, over)
  if (!result.ok) throw new Error(`${result.reason}: ${result.detail}`)
  return result
}

/** `pass`, or the reason and condition of the refusal. */
function decide(
  caveats: readonly string[],
  over: Partial<ClearContext> = {},
  policyOver: Partial<ServicePolicy> = {},
): string {
  const summary = summarise(caveats, policyOver)
  const result = summary.ok ? clearCaveats(summary, { ...request, ...over }) : summary
  return result.ok ? 'pass' : [result.reason, result.condition].filter((part) => part !== undefined).join(' ')
}

describe('what a mint must put in', () => {
  it('opens the service, and only with the capability that is needed', () => {
    expect(decide(base)).toBe('pass')
    expect(decide(base, { capability: 'write' })).toBe('pass')
    expect(decide(base, { capability: '' })).toBe('pass')
    expect(decide(base, { capability: 'admin' })).toBe('caveat_failed svc_capabilities')
  })

  it('is not assumed: without services nothing opens', () => {
    expect(decide([])).toBe('wrong_service services')
    expect(decide(['svc_capabilities=read'])).toBe('wrong_service services')
    expect(decide(['svc_valid_until=2000', 'svc_max_calls=5'])).toBe('wrong_service services')
  })

  it('is not assumed: without capabilities only what needs none opens', () => {
    expect(decide(['services=svc:0'])).toBe('caveat_failed svc_capabilities')
    expect(decide(['services=svc:0'], { capability: '' })).toBe('pass')
    expect(decide(['services=svc:0', 'pool_capabilities=read'])).toBe('caveat_failed svc_capabilities')
    expect(decide(['services=svc:0', 'svc_capabilities='])).toBe('caveat_failed svc_capabilities')
    expect(decide(['services=svc:0', 'svc_capabilities='], { capability: '' })).toBe('pass')
  })
})

describe('services', () => {
  it('decides by name and tier', () => {
    expect(decide(['services=other:0', ...base.slice(1)])).toBe('wrong_service services')
    expect(decide(['services=svc:1', ...base.slice(1)])).toBe('wrong_service services')
    expect(decide(['services=svc:1', ...base.slice(1)], {}, { tier: 1 })).toBe('pass')
    expect(decide(base, {}, { tier: 1 })).toBe('wrong_service services')
    expect(decide(['services=pool:1,svc:0', ...base.slice(1)])).toBe('pass')
  })

  it('may be narrowed and not widened', () => {
    const two = ['services=svc:0,pool:1', ...base.slice(1)]
    expect(decide([...two, 'services=svc:0'])).toBe('pass')
    expect(decide([...two, 'services=pool:1'])).toBe('wrong_service services')
    expect(decide([...two, 'services=svc:0,pool:1,third:0'])).toBe('caveat_failed services')
    expect(decide([...two, 'services=svc:1'])).toBe('caveat_failed services')
    expect(decide([...two, 'services=svc:0', 'services=svc:0,pool:1'])).toBe('caveat_failed services')
    expect(decide([...two, 'services='])).toBe('caveat_failed services')
  })
})

describe('every condition of the table (protocol §5)', () => {
  it.each([
    ['svc_valid_until=1001', {}, 'pass'],
    ['svc_valid_until=1000', {}, 'expired svc_valid_until'],
    ['svc_valid_until=1000', { nowSeconds: 999.9 }, 'pass'],
    ['svc_valid_until=0', { nowSeconds: 0 }, 'expired svc_valid_until'],
    ['svc_valid_until=9223372036854775807', {}, 'pass'],
    ['svc_valid_until=2000', { nowSeconds: Number.NaN }, 'expired svc_valid_until'],
    ['svc_valid_until=1e9', {}, 'caveat_failed svc_valid_until'],
    ['svc_max_calls=5', {}, 'pass'],
    ['svc_max_calls=0', {}, 'exhausted svc_max_calls'],
    ['svc_max_calls=05', {}, 'caveat_failed svc_max_calls'],
    ['svc_methods=GET,POST', {}, 'pass'],
    ['svc_methods=GET', { method: 'HEAD' }, 'pass'],
    ['svc_methods=POST', {}, 'caveat_failed svc_methods'],
    ['svc_methods=get', {}, 'caveat_failed svc_methods'],
    ['svc_paths=/v1/*,/v2/x', {}, 'pass'],
    ['svc_paths=/v1/*', { path: '/v1' }, 'caveat_failed svc_paths'],
    ['svc_paths=v1', {}, 'caveat_failed svc_paths'],
    ['svc_ip=10.0.0.0/8', {}, 'pass'],
    ['svc_ip=11.0.0.0/8', {}, 'caveat_failed svc_ip'],
    ['svc_ip=10.0.0.1/8', {}, 'caveat_failed svc_ip'],
    ['svc_origin=https://app.example', {}, 'pass'],
    ['svc_origin=https://other.example', {}, 'caveat_failed svc_origin'],
    ['svc_origin=app.example', {}, 'caveat_failed svc_origin'],
    ['crit=services,svc_methods,crit,preimage', {}, 'pass'],
    ['crit=', {}, 'caveat_failed crit'],
    ['preimage=anything, which verification has checked', {}, 'pass'],
  ])('%s for %j: %s', (caveat, over, expected) => {
    expect(decide([...base, caveat], over)).toBe(expected)
  })

  it('that asks for what is not known of the request refuses', () => {
    const { clientAddress: _, origin: __, ...unknown } = request
    const address = summaryOf([...base, 'svc_ip=0.0.0.0/0,::/0'])
    const site = summaryOf([...base, 'svc_origin=https://app.example'])
    expect(clearCaveats(address, unknown)).toMatchObject({ reason: 'caveat_failed', condition: 'svc_ip' })
    expect(clearCaveats(site, unknown)).toMatchObject({ reason: 'caveat_failed', condition: 'svc_origin' })
  })

  it.each(['svc_max_calls=5', 'svc_max_spend_msat=5', 'svc_rate=1/60', `dpop_jkt=${'A'.repeat(43)}`])(
    '%s refuses while nobody enforces it',
    (caveat) => {
      const condition = caveat.slice(0, caveat.indexOf('='))
      expect(decide([...base, caveat], {}, { enforced: new Set() })).toBe(`caveat_failed ${condition}`)
      expect(decide([...base, caveat], {}, { enforced: all })).toBe('pass')
    },
  )

  it.each([
    ['svc_capabilities=read', 'svc_capabilities=read', 'svc_capabilities=read,write'],
    ['svc_valid_until=2000', 'svc_valid_until=1999', 'svc_valid_until=2001'],
    ['svc_max_calls=5', 'svc_max_calls=5', 'svc_max_calls=6'],
    ['svc_max_spend_msat=5', 'svc_max_spend_msat=4', 'svc_max_spend_msat=6'],
    ['svc_rate=10/60', 'svc_rate=5/60', 'svc_rate=10/30'],
    ['svc_methods=GET,POST', 'svc_methods=GET', 'svc_methods=GET,PUT'],
    ['svc_paths=/v1/*', 'svc_paths=/v1/a', 'svc_paths=/v1/a,/v2'],
    ['svc_ip=10.0.0.0/8', 'svc_ip=10.1.0.0/16', 'svc_ip=10.0.0.0/7,10.0.0.0/8'],
    [
      'svc_origin=https://app.example',
      'svc_origin=https://app.example',
      'svc_origin=https://a,https://app.example',
    ],
    [`dpop_jkt=${'A'.repeat(43)}`, `dpop_jkt=${'A'.repeat(43)}`, `dpop_jkt=${'A'.repeat(42)}E`],
  ])('after %s admits %s and refuses %s', (first, narrower, wider) => {
    const condition = first.slice(0, first.indexOf('='))
    expect(decide([...base, first, narrower], {}, { enforced: all })).toBe('pass')
    expect(decide([...base, first, wider], {}, { enforced: all })).toBe(`caveat_failed ${condition}`)
    expect(decide([...base, first, narrower, 'note=between', wider], {}, { enforced: all })).toBe(
      `caveat_failed ${condition}`,
    )
  })

  it('applies to this service only', () => {
    expect(decide([...base, 'pool_valid_until=1', 'pool_methods=POST', 'pool_max_calls=0'])).toBe('pass')
    expect(decide([...base, 'pool_valid_until=not a number'])).toBe('pass')
    expect(decide([...base, ' svc_methods=POST', 'SVC_methods=POST', 'svc_methods =POST'])).toBe('pass')
  })
})

describe('the end of what was sold', () => {
  it('stays what it was, whatever a holder appends', () => {
    const sold = ['services=svc:0', 'svc_valid_until=5000', 'svc_capabilities=read']
    expect(summaryOf([...sold, 'svc_valid_until=2000'])).toMatchObject({
      expiresAt: 2000,
      mintedExpiresAt: 5000,
    })
    const endless = [
      'services=svc:0',
      'svc_capabilities=read',
      'svc_capabilities=read',
      'svc_valid_until=2000',
    ]
    expect(summaryOf(endless)).toMatchObject({ expiresAt: 2000, mintedExpiresAt: null })
  })
})

describe('delegated budgets', () => {
  it('give every counting caveat its own counter, named by the chain just after it', () => {
    const texts = [
      ...base,
      'svc_max_calls=100',
      'svc_max_calls=10',
      'svc_max_spend_msat=5000',
      'svc_max_calls=10',
    ]
    const m = mintMacaroon({ rootKey, identifier: new Uint8Array(66), caveats: texts })
    const links = verifyChain(rootKey, m) ?? []
    const summary = summaryOf(texts, { enforced: all })
    expect(summary.counters).toEqual([
      { kind: 'max_calls', condition: 'svc_max_calls', key: links[3], limit: 100n, expiresAt: null },
      { kind: 'max_calls', condition: 'svc_max_calls', key: links[4], limit: 10n, expiresAt: null },
      {
        kind: 'max_spend_msat',
        condition: 'svc_max_spend_msat',
        key: links[5],
        limit: 5000n,
        expiresAt: null,
      },
      { kind: 'max_calls', condition: 'svc_max_calls', key: links[6], limit: 10n, expiresAt: null },
    ])
    expect(new Set(summary.counters.map(({ key }) => key.join())).size).toBe(4)
  })

  it('hand rates and the bound key to whoever enforces them', () => {
    const texts = [...base, 'svc_rate=10/60', 'svc_rate=5/60', `dpop_jkt=${'A'.repeat(43)}`]
    const summary = summaryOf(texts, { enforced: all })
    expect(summary.rates.map(({ rate }) => rate)).toEqual([
      { limit: 10n, seconds: 60n },
      { limit: 5n, seconds: 60n },
    ])
    expect(summary.keyThumbprint).toBe('A'.repeat(43))
    expect(summaryOf(base).keyThumbprint).toBeNull()
  })

  it('of nothing are exhausted at once, but a wrong service comes first', () => {
    expect(decide([...base, 'svc_max_calls=5', 'svc_max_calls=0'])).toBe('exhausted svc_max_calls')
    expect(decide([...base, 'svc_max_spend_msat=0'], {}, { enforced: all })).toBe(
      'exhausted svc_max_spend_msat',
    )
    expect(decide(['services=pool:0', 'svc_max_calls=0'])).toBe('wrong_service services')
  })
})

describe('what nobody here knows', () => {
  const refusing = { unknownCaveats: 'refuse' as const }

  it('is skipped, as the specification demands', () => {
    expect(decide([...base, 'note=x', 'svc_body_hash=x', 'svc_=x', 'loop_out_monthly_volume_sats=1'])).toBe(
      'pass',
    )
  })

  it('refuses where the service says so, but for what concerns another service', () => {
    expect(decide([...base, 'note=x'], {}, refusing)).toBe('caveat_failed note')
    expect(decide([...base, 'svc_body_hash=x'], {}, refusing)).toBe('caveat_failed svc_body_hash')
    expect(decide([...base, ' svc_methods=GET'], {}, refusing)).toBe('caveat_failed')
    expect(decide([...base, 'pool_anything=x', 'nobody_valid_until=1'], {}, refusing)).toBe('pass')
    expect(decide([...base, 'pool_anything=x'], {}, { ...refusing, knownServices: new Set() })).toBe(
      'caveat_failed pool_anything',
    )
    expect(decide([...base, 'svc_methods=GET', 'preimage=x', 'crit=crit'], {}, refusing)).toBe('pass')
  })

  it('is not repeated in the refusal where it could be a secret', () => {
    const secret = 'ab'.repeat(32)
    for (const caveat of [`${secret}=1`, `x\r\n=${secret}`, `crit=${secret}`, `svc_methods=${secret}`]) {
      const result = summarise([...base, caveat], refusing)
      expect(result.ok).toBe(false)
      expect(JSON.stringify(result)).not.toContain(secret)
      expect(JSON.stringify(result)).not.toMatch(/\\[rn]/)
    }
  })

  it('is any caveat without "=" or not UTF-8', () => {
    for (const id of [
      encodeUtf8('no equals sign'),
      concatBytes(encodeUtf8('svc_methods='), Uint8Array.of(0xff)),
      new Uint8Array(),
    ]) {
      const caveats = [...base.map((text) => ({ id: encodeUtf8(text) })), { id }].map((caveat) => ({
        caveat,
        signature: new Uint8Array(32),
      }))
      expect(summariseCaveats(caveats, policy).ok).toBe(true)
      expect(summariseCaveats(caveats, { ...policy, ...refusing })).toMatchObject({ reason: 'caveat_failed' })
    }
  })

  it('refuses always as a third-party caveat, whatever it says', () => {
    for (const text of ['note=x', 'svc_valid_until=2000', 'pool_valid_until=2000', '']) {
      const caveats = [
        ...base.map((id) => ({ id: encodeUtf8(id) })),
        { id: encodeUtf8(text), verificationId: rootKey },
      ]
      const result = summariseCaveats(
        caveats.map((caveat) => ({ caveat, signature: rootKey })),
        policy,
      )
      expect(result).toMatchObject({ ok: false, reason: 'caveat_failed' })
    }
  })
})

describe('crit', () => {
  it.each([
    ['crit=svc_valid_until,svc_methods,svc_paths,svc_ip,svc_origin,svc_capabilities,services', 'pass'],
    ['crit=svc_max_calls', 'pass'],
    ['crit=pool_valid_until', 'pass'],
    ['crit=pool_max_calls', 'pass'],
    ['crit=svc_max_spend_msat', 'caveat_failed crit'],
    ['crit=svc_rate', 'caveat_failed crit'],
    ['crit=dpop_jkt', 'caveat_failed crit'],
    ['crit=pool_rate', 'caveat_failed crit'],
    ['crit=nobody_valid_until', 'caveat_failed crit'],
    ['crit=pool_anything', 'caveat_failed crit'],
    ['crit=svc_body_hash', 'caveat_failed crit'],
    ['crit=services,note', 'caveat_failed crit'],
    ['crit=services, crit', 'caveat_failed crit'],
    ['crit=Services', 'caveat_failed crit'],
  ])('%s: %s', (caveat, expected) => {
    expect(decide([...base, caveat])).toBe(expected)
  })

  it('asks for more with each occurrence, wherever it stands', () => {
    expect(decide([...base, 'crit=services', 'crit=svc_methods'])).toBe('pass')
    expect(decide([...base, 'crit=services', 'crit=note'])).toBe('caveat_failed crit')
    expect(decide(['crit=note', ...base, 'note=x'])).toBe('caveat_failed crit')
    expect(decide([...base, 'note=x', 'crit=note'])).toBe('caveat_failed crit')
  })

  it('counts what is enforced', () => {
    expect(decide([...base, 'crit=svc_rate,dpop_jkt,svc_max_spend_msat'], {}, { enforced: all })).toBe('pass')
    expect(decide([...base, 'crit=svc_max_calls'], {}, { enforced: new Set() })).toBe('caveat_failed crit')
  })
})

describe('a summary', () => {
  it('is frozen, names its service and its end', () => {
    const summary = summaryOf([...base, 'svc_valid_until=2000', 'svc_valid_until=1500', 'svc_max_calls=5'])
    expect(summary).toMatchObject({ ok: true, service: 'svc', expiresAt: 1500 })
    expect(summaryOf(base).expiresAt).toBeNull()
    expect([summary, summary.counters, summary.rates, summary.restrictions].every(Object.isFrozen)).toBe(true)
  })

  it('clears a request without allocating', () => {
    const full = summaryOf([
      ...[...base, 'svc_valid_until=2000', 'svc_methods=GET', 'svc_methods=HEAD,GET', 'svc_paths=/x,/v1/*'],
      ...['svc_ip=::/0,10.0.0.0/8', 'svc_origin=https://app.example', 'svc_max_calls=5'],
    ])
    const addresses = ['10.1.2.3', '2001:db8::1', '::ffff:10.1.2.3']
    const requests = addresses.map((clientAddress) => ({ ...request, clientAddress }))
    let passed = 0
    const run = () => {
      for (let i = 0; i < 999; i++) if (clearCaveats(full, requests[i % 3] as ClearContext).ok) passed++
    }
    for (let i = 0; i < 100; i++) run()
    const samples: number[] = []
    for (let i = 0; i < 51; i++) {
      const before = process.memoryUsage().heapUsed
      run()
      samples.push(process.memoryUsage().heapUsed - before)
    }
    expect(passed).toBe(151 * 999)
    expect((samples.sort((a, b) => a - b)[25] as number) / 999).toBeLessThan(8)
  })

  it('comes of any caveats without an exception', () => {
    const condition = fc.constantFrom(
      'services',
      'crit',
      'dpop_jkt',
      'svc_capabilities',
      'svc_valid_until',
      'svc_max_calls',
      'svc_rate',
      'svc_methods',
      'svc_paths',
      'svc_ip',
      'svc_origin',
      'pool_ip',
      'note',
      '',
    )
    const value = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'svc:0,/1.*%GETh ') }),
      fc.string({ unit: 'grapheme' }),
    )
    const id = fc.oneof(
      fc.tuple(condition, value).map(([name, text]) => encodeUtf8(`${name}=${text}`)),
      fc.uint8Array({ maxLength: 40 }),
    )
    const fact = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }))
    const context = fc.record({
      nowSeconds: fc.double(),
      method: fact,
      path: fact,
      capability: fact,
      clientAddress: fact,
      origin: fact,
    })
    fc.assert(
      fc.property(fc.array(id, { maxLength: 6 }), context, fc.boolean(), (ids, facts, refuse) => {
        const caveats = [...base.map(encodeUtf8), ...ids].map((id) => ({
          caveat: { id },
          signature: rootKey,
        }))
        const summary = summariseCaveats(caveats, {
          ...policy,
          enforced: all,
          unknownCaveats: refuse ? 'refuse' : 'skip',
        })
        if (summary.ok) clearCaveats(summary, facts)
      }),
      { numRuns: 2000 },
    )
  })
})
