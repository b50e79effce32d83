import { describe, expect, it } from 'vitest'
import { BUNDLE, bench, narrowed, PASS, passed, refused, soldIn } from '../../test/gate-bench.ts'
import type { ProofVerifier } from './dpop.ts'
import { routeTerms } from './route-terms.ts'

describe('_rate (protocol §5)', () => {
  it('answers 429 with Retry-After, keeps the credential good, and slides', async () => {
    const self = bench()
    const credential = narrowed(await self.buy(PASS), 'weather_rate=2/60')
    passed(await self.ask(PASS, credential))
    self.clock += 20_000
    passed(await self.ask(PASS, credential))
    const over = refused(await self.ask(PASS, credential))
    expect(over).toMatchObject({ status: 429, reason: 'over_rate' })
    expect(over.headers.slice(-6)).toEqual([
      ...['Retry-After', '40'],
      ...['RateLimit-Policy', '"rate";q=2;w=60'],
      ...['RateLimit', '"rate";r=0;t=40'],
    ])
    expect(JSON.parse(over.body)).toMatchObject({ code: 'over_rate', condition: 'weather_rate' })
    expect(over.headers).not.toContain('WWW-Authenticate')
    self.clock += 40_000
    passed(await self.ask(PASS, credential))
    expect(refused(await self.ask(PASS, credential)).status).toBe(429)
  })

  it('lets another credential beside it through, and answers 429 where none passes (V2)', async () => {
    const self = bench()
    const paced = narrowed(await self.buy(PASS), 'weather_rate=1/60')
    const other = narrowed(await self.buy(PASS), 'weather_paths=/forecast/*')
    passed(await self.ask(PASS, paced))
    const both = (path: string) => ({ path, headers: ['Authorization', paced, 'Authorization', other] })
    passed(await self.ask(PASS, undefined, both('/forecast/paris')))
    const wider = narrowed(await self.buy(PASS), 'weather_paths=/elsewhere/*')
    for (const lines of [
      ['Authorization', paced, 'Authorization', wider],
      ['Authorization', wider, 'Authorization', paced],
    ]) {
      const none = refused(await self.ask(PASS, undefined, { headers: lines }))
      expect(none).toMatchObject({ status: 429, reason: 'over_rate' })
      expect(none.headers).not.toContain('WWW-Authenticate')
    }
  })

  it('of a copy counts for the original too, and a fresh copy has no window of its own', async () => {
    const self = bench()
    const parent = narrowed(await self.buy(PASS), 'weather_rate=2/60')
    for (const path of ['/forecast/a', '/forecast/b']) {
      const child = narrowed(parent, `weather_paths=${path}`)
      passed(await self.ask(PASS, child, { path }))
    }
    expect(refused(await self.ask(PASS, parent)).reason).toBe('over_rate')
  })

  it('that refuses uses no call, and a call that is refused uses no rate', async () => {
    const self = bench()
    const credential = narrowed(await self.buy(BUNDLE), 'weather_rate=1/60')
    await passed(await self.ask(BUNDLE, credential)).entitlement?.commit()
    for (let n = 0; n < 5; n++) expect(refused(await self.ask(BUNDLE, credential)).status).toBe(429)
    self.clock += 60_000
    await passed(await self.ask(BUNDLE, credential)).entitlement?.commit()
    self.clock += 60_000
    await passed(await self.ask(BUNDLE, credential)).entitlement?.commit()
    self.clock += 60_000
    expect(refused(await self.ask(BUNDLE, credential)).reason).toBe('exhausted')
    const parent = await self.buy(BUNDLE)
    const paced = narrowed(parent, 'weather_rate=2/60')
    const dead = narrowed(paced, 'weather_max_calls=1')
    await passed(await self.ask(BUNDLE, dead)).entitlement?.commit()
    for (let n = 0; n < 5; n++) expect(refused(await self.ask(BUNDLE, dead)).reason).toBe('exhausted')
    passed(await self.ask(BUNDLE, paced))
  })

  it('is said as a policy with what is left, and a rate of nothing admits nothing', async () => {
    const self = bench()
    const credential = narrowed(await self.buy(BUNDLE), 'weather_rate=5/60')
    expect(passed(await self.ask(BUNDLE, credential)).entitlement?.answerHeaders).toEqual([
      ...['RateLimit-Policy', '"calls";q=3, "rate";q=5;w=60'],
      ...['RateLimit', '"calls";r=2, "rate";r=4'],
    ])
    const tighter = narrowed(credential, 'weather_rate=2/60', 'weather_rate=2/90')
    expect(passed(await self.ask(BUNDLE, tighter)).entitlement?.answerHeaders).toEqual([
      ...['RateLimit-Policy', '"calls";q=3, "rate";q=2;w=90'],
      ...['RateLimit', '"calls";r=1, "rate";r=1'],
    ])
    const never = narrowed(credential, 'weather_rate=0/60')
    expect(refused(await self.ask(BUNDLE, never)).status).toBe(429)
  })

  it('of any length leaves no row behind when its credential is over', async () => {
    const self = bench()
    const sold = await self.buy(PASS)
    for (let n = 0; n < 5; n++) passed(await self.ask(PASS, narrowed(sold, `weather_rate=1/${10 ** 12 + n}`)))
    self.clock += 30 * 3_600_000
    expect(await self.ledger.prune()).toBe(5)
    // Without an end, a holder needs a paid call for each.
    const bundle = await self.buy(BUNDLE)
    for (const seconds of [10 ** 12, 10 ** 13])
      await passed(
        await self.ask(BUNDLE, narrowed(bundle, `weather_rate=1/${seconds}`)),
      ).entitlement?.commit()
    self.clock += 3_650 * 24 * 3_600_000
    expect(await self.ledger.prune()).toBe(0)
    expect(refused(await self.ask(BUNDLE, narrowed(bundle, 'weather_rate=1/1000000000000'))).status).toBe(429)
  })

  it.each(['1/0', '01/60', '-1/60', '1', 'x/60', '1/60s', ' 1/60', `1/${'9'.repeat(400)}x`])(
    'of %j refuses: it does not parse',
    async (value) => {
      const self = bench()
      const credential = narrowed(await self.buy(PASS), `weather_rate=${value}`)
      expect(refused(await self.ask(PASS, credential)).reason).toBe('caveat_failed')
    },
  )

  it('holds at and beyond every bound', async () => {
    const self = bench()
    const [most, beyond] = [2n ** 63n - 1n, 2n ** 63n]
    const huge = narrowed(await self.buy(PASS), `weather_rate=${most}/${most}`)
    passed(await self.ask(PASS, huge))
    expect(refused(await self.ask(PASS, narrowed(huge, `weather_rate=1/${beyond}`))).reason).toBe(
      'caveat_failed',
    )
    const once = narrowed(huge, `weather_rate=1/${most}`)
    passed(await self.ask(PASS, once))
    expect(refused(await self.ask(PASS, once)).status).toBe(429)
  })
})

describe('conditions that a route mints', () => {
  const bound = routeTerms('weather', 'GET /bound/*', {
    price: '1 sat',
    grants: { valid: '1h', calls: 5 },
    conditions: {
      rate: '3/1m',
      methods: ['GET'],
      paths: ['/bound/*'],
      ip: 'client',
      origin: 'client',
    },
  })

  it('stand in the macaroon, the end before the counters and the capabilities last', async () => {
    const self = bench()
    const headers = ['Origin', 'https://app.example']
    const sold = soldIn(await self.ask(bound, undefined, { path: '/bound/x', headers }))
    expect(sold.caveats).toEqual([
      'services=weather:0',
      `weather_valid_until=${self.clock / 1000 + 3600}`,
      'weather_rate=3/60',
      'weather_methods=GET',
      'weather_paths=/bound/*',
      'weather_ip=192.0.2.7',
      'weather_origin=https://app.example',
      'weather_max_calls=5',
      'weather_capabilities=GET /bound/*',
    ])
  })

  it('are enforced', async () => {
    const self = bench()
    const credential = await self.buy(bound)
    const ask = (more: object) => self.ask(bound, credential, { path: '/bound/x', ...more })
    passed(await ask({}))
    expect(refused(await ask({ method: 'POST' })).body).toContain('weather_methods')
    expect(refused(await ask({ path: '/elsewhere' })).body).toContain('weather_paths')
    expect(refused(await ask({ clientAddress: '192.0.2.8' })).body).toContain('weather_ip')
    passed(await ask({}))
    passed(await ask({}))
    expect(refused(await ask({})).status).toBe(429)
  })

  it.each(['null', 'https://a.example,https://b.example', 'https://a.example, https://b.example', 'x', ''])(
    'bind to no origin where the buyer names %j',
    async (line) => {
      const sold = soldIn(await bench().ask(bound, undefined, { headers: ['Origin', line] }))
      expect(sold.caveats.join()).not.toContain('origin')
    },
  )

  it.each([
    [{ rate: '0/1m' }, /rate/],
    [{ rate: '10' }, /rate/],
    [{ methods: ['GET', 'get'] }, /methods/],
    [{ paths: ['v1'] }, /paths/],
    [{ ip: ['10.0.0.1/8'] }, /ip/],
    [{ origin: ['https://A.example'] }, /origin/],
    [{ paths: ['/a,/b'] }, /paths/],
  ])('that nobody could satisfy are refused at set-up: %j', (conditions, message) => {
    expect(() => routeTerms('weather', '/x', { price: '1 sat', conditions })).toThrow(message)
  })
})

describe('dpop_jkt (RFC 9449)', () => {
  const mine = 'A'.repeat(43)
  const other = `B${'A'.repeat(42)}`
  /** Takes `DPoP: <thumbprint> <number>` for a proof, so that what the gate does with one is seen alone. */
  const proofs: ProofVerifier = async ({ headers, url, tokens, nowMs }) => {
    const text = headers[headers.indexOf('DPoP') + 1] ?? ''
    const [thumbprint = '', serial = ''] = text.split(' ')
    if (!headers.includes('DPoP')) return { ok: false, detail: 'expected one DPoP line' }
    asked.push({ url, tokens })
    return { ok: true, thumbprint, mark: new Uint8Array(32).fill(Number(serial)), untilMs: nowMs + 1000 }
  }
  let asked: { url: string; tokens: readonly string[] }[] = []

  it('wants a proof of the right key for every request, each of them once', async () => {
    asked = []
    const self = bench({ dpop: proofs })
    const base = 'https://api.example'
    const credential = narrowed(await self.buy(PASS), `dpop_jkt=${mine}`)
    const ask = (proof?: string) =>
      self.ask(PASS, undefined, {
        base,
        headers: ['Authorization', credential, ...(proof === undefined ? [] : ['DPoP', proof])],
      })
    expect(refused(await ask()).body).toContain('dpop_jkt')
    passed(await ask(`${mine} 1`))
    expect(asked).toEqual([
      {
        url: 'https://api.example/forecast/paris',
        tokens: [credential.slice(5, -65), credential.slice(5)],
      },
    ])
    expect(refused(await ask(`${mine} 1`)).body).toContain('used before')
    expect(refused(await ask(`${other} 2`)).body).toContain('another key')
    passed(await ask(`${mine} 3`))
  })

  it('refuses where this server checks no proofs', async () => {
    const self = bench()
    const credential = narrowed(await self.buy(PASS), `dpop_jkt=${mine}`)
    expect(refused(await self.ask(PASS, credential)).reason).toBe('caveat_failed')
  })

  it('is minted where the route says so and the unpaid request carries a proof', async () => {
    const route = routeTerms('weather', '/x', { price: '1 sat', conditions: { dpop: true } })
    const self = bench({ dpop: proofs })
    const base = 'https://api.example'
    const headers = ['DPoP', `${mine} 9`]
    expect(soldIn(await self.ask(route, undefined, { base, headers })).caveats).toContain(`dpop_jkt=${mine}`)
    expect(soldIn(await self.ask(route, undefined, { base })).caveats.join()).not.toContain('dpop')
    expect(soldIn(await self.ask(PASS, undefined, { base, headers })).caveats.join()).not.toContain('dpop')
  })
})
