import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BUNDLE, bench, narrowed, PASS, passed, refused } from '../../test/gate-bench.ts'
import { L402Error } from '../core/errors.ts'
import { memoryLightning } from '../lightning/memory.ts'
import type { Ledger } from '../stores/ledger.ts'
import { memoryStore } from '../stores/memory/index.ts'

describe('limits and faults', () => {
  it('limits challenges per client prefix, and says when to come again (S10)', async () => {
    const self = bench({ challengeLimit: { limit: 3, perSeconds: 60 } })
    for (let i = 0; i < 3; i++) expect(refused(await self.ask(PASS)).status).toBe(402)
    const limited = refused(await self.ask(PASS, undefined, { clientAddress: '192.0.2.200' }))
    expect(limited).toMatchObject({ status: 429, reason: 'challenge_limit' })
    expect(limited.headers).toEqual(expect.arrayContaining(['Retry-After', '20']))
    expect(refused(await self.ask(PASS, undefined, { clientAddress: '198.51.100.1' })).status).toBe(402)
    self.clock += 20_000
    expect(refused(await self.ask(PASS)).status).toBe(402)
  })

  it('does not limit paid requests', async () => {
    const { ask, buy } = bench({ challengeLimit: { limit: 1, perSeconds: 60 } })
    const credential = await buy(PASS)
    for (let i = 0; i < 10; i++) passed(await ask(PASS, credential))
  })

  it('answers 503 while the node is down, and charges nothing', async () => {
    const lightning = memoryLightning()
    lightning.offline = true
    const answer = refused(await bench({ lightning }).ask(PASS))
    expect(answer).toMatchObject({ status: 503, reason: 'lightning_unavailable' })
    expect(answer.headers).toContain('Retry-After')
  })

  it('does not sell an invoice that is not the one asked for', async () => {
    const lightning = memoryLightning()
    const dear = {
      ...lightning,
      network: lightning.network,
      createInvoice: (request: Parameters<typeof lightning.createInvoice>[0]) =>
        lightning.createInvoice({ ...request, amountMsat: request.amountMsat * 2n }),
    }
    expect(refused(await bench({ lightning: dear as never }).ask(PASS)).status).toBe(503)
  })

  it('gives up on a node that does not answer within the deadline', async () => {
    const lightning = { ...memoryLightning(), createInvoice: () => new Promise<never>(() => {}) }
    const answer = refused(await bench({ lightning: lightning as never, challengeDeadlineMs: 20 }).ask(PASS))
    expect(answer.status).toBe(503)
  })

  it('answers 503 while the books cannot be written, never free (rule 9)', async () => {
    const ledger = memoryStore()
    const broken: Ledger = {
      ...ledger,
      isRevoked: () => false,
      revocationEpoch: 0,
      reserve: () => Promise.reject(new L402Error('store_unavailable', 'disk full')),
      close: () => ledger.close(),
    }
    const { ask, buy } = bench({ ledger: broken })
    const answer = refused(await ask(BUNDLE, await buy(BUNDLE)))
    expect(answer).toMatchObject({ status: 503, reason: 'store_unavailable' })
  })

  it.each([
    ['a tier that no caveat can name', { services: { weather: { tier: 256 } } }],
    ['a negative tier', { services: { weather: { tier: -1 } } }],
    ['a service whose name no caveat can hold', { services: { 'a:b': {} } }],
    ['a cache without room', { verdictCacheSize: 1 }],
    ['a limit of nothing', { challengeLimit: { limit: 0, perSeconds: 1 } }],
    ['no time for an invoice', { challengeDeadlineMs: 0 }],
  ])('says at set-up what is wrong: %s', (_, options) => {
    expect(() => bench(options)).toThrow(RangeError)
  })

  it('answers 503 when the node makes an invoice that cannot be read', async () => {
    const lightning = memoryLightning()
    const garbled = {
      ...lightning,
      network: lightning.network,
      createInvoice: async (request: Parameters<typeof lightning.createInvoice>[0]) => ({
        ...(await lightning.createInvoice(request)),
        invoice: 'lnbcrt1garbled',
      }),
    }
    const answer = refused(await bench({ lightning: garbled as never }).ask(PASS))
    expect(answer).toMatchObject({ status: 503, reason: 'lightning_unavailable' })
  })

  it('tells nothing of a credential back: no token, no preimage, no value of a caveat', async () => {
    const { ask, buy } = bench({
      services: { weather: { unknownCaveats: 'refuse' } },
      challengeLimit: { limit: 10_000, perSeconds: 1 },
    })
    const credential = await buy(PASS)
    const secret = fc.stringMatching(/^[a-z0-9]{12,64}$/)
    const condition = fc.constantFrom(
      ...['services', 'crit', 'dpop_jkt', 'preimage', 'note', ''],
      ...['paths', 'methods', 'ip', 'origin', 'valid_until', 'max_calls', 'rate'].map(
        (name) => `weather_${name}`,
      ),
    )
    await fc.assert(
      fc.asyncProperty(condition, secret, fc.boolean(), async (name, value, broken) => {
        const presented = narrowed(
          credential,
          name === '' ? `${value.padEnd(64, 'k')}=x` : `${name}=${value}`,
        )
        const [token = '', preimage = ''] = presented.slice('L402 '.length).split(':')
        const text = broken ? presented.replace('L402 ', 'L402 A') : presented
        const { headers, body } = refused(await ask(PASS, text))
        const told = [...headers, body].join('\n')
        for (const kept of [token, preimage, value]) expect(told.includes(kept)).toBe(false)
      }),
    )
  })

  it('keeps no more verdicts than allowed, and only of valid credentials', async () => {
    const self = bench({ verdictCacheSize: 10, challengeLimit: { limit: 1000, perSeconds: 1 } })
    const credential = await self.buy(PASS)
    for (let i = 0; i < 50; i++) passed(await self.ask(PASS, narrowed(credential, `note=${i}`)))
    for (let i = 0; i < 50; i++) refused(await self.ask(PASS, `L402 ${i}:zz`))
    expect(self.gate.cachedVerdicts).toBeGreaterThan(0)
    expect(self.gate.cachedVerdicts).toBeLessThanOrEqual(10)
  })
})
