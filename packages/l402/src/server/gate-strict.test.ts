import { describe, expect, it } from 'vitest'
import {
  type Bench,
  BUNDLE,
  bench,
  challengeOf,
  METERED,
  PASS,
  passed,
  refused,
} from '../../test/gate-bench.ts'
import type { InvoiceState } from '../lightning/backend.ts'
import { type MemoryLightning, memoryLightning } from '../lightning/memory.ts'
import type { GateOptions } from './gate-options.ts'

/** A strict gate whose node can be made to say something else. */
interface StrictBench extends Bench {
  readonly lightning: MemoryLightning
  /** How often the node was asked for an invoice's state. */
  asked: number
  /** What the node says in place of the truth. */
  says: InvoiceState | 'nothing' | undefined
}

function strictBench(options: Partial<GateOptions> = {}): StrictBench {
  const now = (): number => self.clock
  const lightning = memoryLightning({ now })
  const node = {
    network: lightning.network,
    invoiceCapabilities: lightning.invoiceCapabilities,
    createInvoice: lightning.createInvoice.bind(lightning),
    ping: lightning.ping.bind(lightning),
    close: lightning.close.bind(lightning),
    lookupInvoice: async (paymentHash: Uint8Array): Promise<InvoiceState> => {
      self.asked++
      if (self.says === 'nothing') return new Promise<never>(() => {})
      return self.says ?? lightning.lookupInvoice(paymentHash)
    },
  }
  const self: StrictBench = Object.assign(
    bench({ lightning: node, strict: true, challengeDeadlineMs: 30, now, ...options }, lightning),
    { lightning, asked: 0, says: undefined },
  )
  return self
}

describe('strict mode', () => {
  it.each([
    ['a time pass', PASS],
    ['a bundle of calls', BUNDLE],
    ['credit', METERED],
  ])('lets %s through once the node says that it is settled, and asks once', async (_, route) => {
    const self = strictBench()
    const credential = await self.buy(route)
    for (let i = 0; i < 3; i++) passed(await self.ask(route, credential))
    expect(self.asked).toBe(1)
  })

  it('is synchronous again for a time pass that is known to be settled', async () => {
    const self = strictBench()
    const credential = await self.buy(PASS)
    await self.ask(PASS, credential)
    const request = { method: 'GET', path: '/forecast/paris', clientAddress: '192.0.2.7', route: PASS }
    expect(self.gate.decide({ ...request, headers: ['Authorization', credential] })).toMatchObject({
      outcome: 'pass',
    })
  })

  it.each(['open', 'accepted', 'cancelled', 'expired', 'unknown'] as const)(
    'refuses a right preimage while the node calls the invoice %s, and asks again the next time',
    async (state) => {
      const self = strictBench()
      const credential = await self.buy(BUNDLE)
      self.says = state
      const answer = refused(await self.ask(BUNDLE, credential))
      expect(answer).toMatchObject({ status: 402, reason: 'unsettled' })
      expect(challengeOf(answer).invoice).toMatch(/^lnbcrt/)
      self.says = undefined
      passed(await self.ask(BUNDLE, credential))
      expect(self.asked).toBe(2)
    },
  )

  it('answers 503 without a challenge while the node does not say, and uses nothing', async () => {
    const self = strictBench()
    const credential = await self.buy(BUNDLE)
    self.says = 'nothing'
    const late = refused(await self.ask(BUNDLE, credential))
    self.lightning.offline = true
    self.says = undefined
    const offline = refused(await self.ask(BUNDLE, credential))
    for (const answer of [late, offline]) {
      expect(answer).toMatchObject({ status: 503, reason: 'lightning_unavailable' })
      expect(answer.headers).toContain('Retry-After')
      expect(answer.headers).not.toContain('WWW-Authenticate')
      expect(JSON.parse(answer.body)).not.toHaveProperty('invoice')
    }
    self.lightning.offline = false
    for (let i = 0; i < 3; i++) passed(await self.ask(BUNDLE, credential))
  })

  it('leaves a node that fails alone, and goes on with what is known to be settled', async () => {
    const self = strictBench({ challenges: { reuse: false, node: { failures: 2, openSeconds: 10 } } })
    const [known, other] = [await self.buy(PASS), await self.buy(PASS)]
    passed(await self.ask(PASS, known))
    self.lightning.offline = true
    for (let i = 0; i < 4; i++) expect(refused(await self.ask(PASS, other)).status).toBe(503)
    expect(self.asked).toBe(3)
    passed(await self.ask(PASS, known))
    self.lightning.offline = false
    self.clock += 10_000
    passed(await self.ask(PASS, other))
  })

  it('asks once for all who come with the same payment at the same time', async () => {
    const self = strictBench()
    const credential = await self.buy(BUNDLE)
    const decisions = await Promise.all([1, 2, 3].map(() => self.ask(BUNDLE, credential)))
    expect(decisions.map(({ outcome }) => outcome)).toEqual(['pass', 'pass', 'pass'])
    expect(self.asked).toBe(1)
  })

  it('does not ask for what is forged, expired or revoked', async () => {
    const self = strictBench()
    const credential = await self.buy(PASS)
    expect(refused(await self.ask(PASS, `${credential.slice(0, -64)}${'00'.repeat(32)}`)).reason).toBe(
      'bad_preimage',
    )
    self.clock += 3_600_000
    expect(refused(await self.ask(PASS, credential)).reason).toBe('expired')
    expect(self.asked).toBe(0)
  })

  it('takes another credential beside one that is not settled, or cannot be looked up', async () => {
    const self = strictBench()
    const [settled, other] = [await self.buy(PASS), await self.buy(PASS)]
    passed(await self.ask(PASS, settled))
    const both = { headers: ['Authorization', other, 'Authorization', settled] }
    self.says = 'open'
    passed(await self.ask(PASS, undefined, both))
    self.says = 'nothing'
    passed(await self.ask(PASS, undefined, both))
  })

  it('tells no balance of a payment that is not settled, and puts none on the books', async () => {
    const self = strictBench()
    const headers = ['Authorization', await self.buy(METERED)]
    self.says = 'accepted'
    expect(await self.gate.balance(headers)).toMatchObject({
      outcome: 'refuse',
      status: 401,
      reason: 'unsettled',
    })
    self.says = 'nothing'
    expect(await self.gate.balance(headers)).toMatchObject({ outcome: 'refuse', status: 503 })
    self.says = undefined
    expect(await self.gate.balance(headers)).toMatchObject({ outcome: 'balance' })
  })

  it('needs a backend that looks invoices up', () => {
    const lightning = memoryLightning()
    const blind = {
      ...lightning,
      network: lightning.network,
      invoiceCapabilities: { exactMsat: true, looksUp: false },
    }
    expect(() => bench({ lightning: blind as never, strict: true })).toThrow(/look invoices up/)
  })

  it('is off unless it is asked for', async () => {
    const self = strictBench({ strict: false })
    passed(await self.ask(PASS, await self.buy(PASS)))
    expect(self.asked).toBe(0)
  })
})
