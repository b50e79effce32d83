import { describe, expect, it } from 'vitest'
import { BOTH, BUNDLE, bench, challengeOf, METERED, PASS, passed, refused } from '../../../test/gate-bench.ts'
import { decodeInvoice } from '../../core/bolt11/index.ts'
import { formatCredential } from '../../core/credential.ts'
import { type MemoryLightning, memoryLightning } from '../../lightning/memory.ts'
import { memoryStore } from '../../stores/memory/index.ts'
import type { Decision, RouteTerms } from '../gate.ts'
import type { GateOptions } from '../gate-options.ts'
import { localLimits } from './local-limits.ts'

/** A node that counts what it is asked. */
function counting(now?: () => number) {
  const real = memoryLightning(now === undefined ? {} : { now })
  const asked = { invoices: 0, lookups: 0, running: 0, most: 0 }
  return {
    asked,
    real,
    lightning: {
      network: real.network,
      invoiceCapabilities: real.invoiceCapabilities,
      async createInvoice(request: Parameters<typeof real.createInvoice>[0]) {
        asked.invoices++
        asked.most = Math.max(asked.most, ++asked.running)
        try {
          await new Promise(setImmediate)
          return await real.createInvoice(request)
        } finally {
          asked.running--
        }
      },
      lookupInvoice(hash: Uint8Array) {
        asked.lookups++
        return real.lookupInvoice(hash)
      },
      ping: () => real.ping(),
      close: () => real.close(),
    },
  }
}

/** Pays what a 402 asks for; the credential. */
async function paid(real: MemoryLightning, decision: Decision): Promise<string> {
  const { invoice, macaroon } = challengeOf(decision)
  const { paymentHash, amountMsat } = decodeInvoice(invoice)
  const request = { invoice, paymentHash, amountMsat: amountMsat ?? 0n, maxFeeMsat: 0n, timeoutMs: 1000 }
  const outcome = await real.pay(request)
  if (outcome.status !== 'paid') throw new Error(`the payment is ${outcome.status}`)
  return formatCredential(macaroon, outcome.preimage)
}

function selling(options: Partial<GateOptions> = {}) {
  const node = counting(() => self.clock)
  const self = bench({
    lightning: node.lightning,
    challenges: {},
    challengeLimit: { limit: 1_000_000, perSeconds: 1 },
    ...options,
  })
  const invoice = async (route: RouteTerms, more: object = {}, credential?: string): Promise<string> =>
    challengeOf(await self.ask(route, credential, more)).invoice
  return { self, node, invoice }
}

describe('one invoice for repeated unpaid requests', () => {
  it('of one client and route, while at least half of its time is left', async () => {
    const { self, node, invoice } = selling()
    const first = await invoice(BUNDLE)
    for (let i = 0; i < 10; i++) expect(await invoice(BUNDLE)).toBe(first)
    self.clock += 290_000
    expect(await invoice(BUNDLE)).toBe(first)
    self.clock += 20_000
    expect(await invoice(BUNDLE)).not.toBe(first)
    expect(node.asked.invoices).toBe(2)
  })

  it('that come at once', async () => {
    const { node, invoice } = selling()
    const all = await Promise.all(Array.from({ length: 50 }, () => invoice(BUNDLE)))
    expect(new Set(all).size).toBe(1)
    expect(node.asked.invoices).toBe(1)
  })

  it('and never for another address, route or price, or for who has none', async () => {
    const { invoice } = selling()
    const near = { clientAddress: '192.0.2.8' }
    const dearer = { ...BUNDLE, priceMsat: 200_000n }
    const bound = { ...BUNDLE, conditions: { ip: 'client' as const } }
    const all = [
      await invoice(BUNDLE),
      await invoice(BUNDLE, near),
      await invoice(METERED),
      await invoice(dearer),
      await invoice(bound),
      await invoice(BUNDLE, { clientAddress: '' }),
      await invoice(BUNDLE, { clientAddress: '' }),
    ]
    expect(new Set(all).size).toBe(all.length)
  })

  it('costs the buyer at most a fiftieth of the time it buys', async () => {
    const { self, invoice } = selling()
    const first = await invoice(BOTH)
    self.clock += 1_100
    expect(await invoice(BOTH)).toBe(first)
    self.clock += 200
    expect(await invoice(BOTH)).not.toBe(first)
  })

  it('is not handed out again once its credential has been presented', async () => {
    const { self, node } = selling()
    const decision = await self.ask(BUNDLE)
    const { invoice } = challengeOf(decision)
    passed(await self.ask(BUNDLE, await paid(node.real, decision)))
    expect(self.gate.heldChallenges).toBe(0)
    expect(challengeOf(await self.ask(BUNDLE)).invoice).not.toBe(invoice)
    expect(node.asked.lookups).toBe(0)
  })

  it('is not handed out again once it is paid, though nobody has presented anything', async () => {
    const { self, node, invoice } = selling()
    const decision = await self.ask(BUNDLE)
    const first = challengeOf(decision).invoice
    self.clock += 1_000
    expect([await invoice(BUNDLE), await invoice(BUNDLE)]).toEqual([first, first])
    expect(node.asked.lookups).toBe(1)
    await paid(node.real, decision)
    self.clock += 1_000
    expect(await invoice(BUNDLE)).not.toBe(first)
  })

  it('is looked up each time where other processes redeem too', async () => {
    const { self, node, invoice } = selling({ challenges: { reuse: { recheckMs: 0 } } })
    const decision = await self.ask(BUNDLE)
    expect(await invoice(BUNDLE)).toBe(challengeOf(decision).invoice)
    await paid(node.real, decision)
    expect(await invoice(BUNDLE)).not.toBe(challengeOf(decision).invoice)
  })

  it('is not handed out while the node does not say whether it is paid', async () => {
    const { self, node, invoice } = selling()
    await invoice(BUNDLE)
    self.clock += 2_000
    node.real.offline = true
    expect(refused(await self.ask(BUNDLE))).toMatchObject({ status: 503, reason: 'lightning_unavailable' })
    node.real.offline = false
    await invoice(BUNDLE)
    expect(node.asked.invoices).toBe(1)
  })

  it('is looked up within the deadline of challenges, and not at all while the node is left alone', async () => {
    const node = counting(() => 1_800_000_000_000)
    let lookups = 0
    const lightning = {
      ...node.lightning,
      lookupInvoice() {
        lookups++
        return new Promise<never>(() => {})
      },
    }
    const challenges = { reuse: { recheckMs: 0 }, node: { failures: 2, openSeconds: 10 } }
    const { ask } = bench({ lightning, challenges, challengeDeadlineMs: 20 })
    expect(refused(await ask(PASS)).status).toBe(402)
    for (let i = 0; i < 4; i++)
      expect(refused(await ask(PASS))).toMatchObject({ status: 503, reason: 'lightning_unavailable' })
    expect(lookups).toBe(2)
  })

  it('can be switched off, and is off for exempt clients', async () => {
    const off = selling({ challenges: { reuse: false } })
    expect(await off.invoice(PASS)).not.toBe(await off.invoice(PASS))
    const exempt = selling({ challengeLimit: { limit: 1, perSeconds: 60, exempt: () => true } })
    expect(await exempt.invoice(PASS)).not.toBe(await exempt.invoice(PASS))
  })

  it('does not count against the limit of its network', async () => {
    const { self, invoice } = selling({ challengeLimit: { limit: 1, perSeconds: 60 } })
    const first = await invoice(BUNDLE)
    expect(await invoice(BUNDLE)).toBe(first)
    expect(refused(await self.ask(METERED)).reason).toBe('challenge_limit')
  })
})

describe('a flood of unpaid requests', () => {
  // FLOOD=1000000 for a whole million, some minutes of work.
  const REQUESTS = Number(process.env['FLOOD'] ?? 50_000)

  it(
    `of ${REQUESTS} costs bounded invoices, bounded memory and no rows`,
    async () => {
      const ledger = memoryStore()
      let writes = 0
      const watched = new Proxy(ledger, {
        get(target, name, receiver) {
          const value: unknown = Reflect.get(target, name, receiver)
          if (typeof value !== 'function') return value
          return (...parameters: unknown[]) => {
            if (name !== 'isRevoked' && name !== 'close') writes++
            return value.apply(target, parameters)
          }
        },
      })
      const limits = localLimits({ now: () => self.clock, keysPerRule: 1_000 })
      const { self, node } = selling({
        ledger: watched,
        limits,
        challengeLimit: { limit: 60, perSeconds: 60 },
        challenges: { global: { limit: 1_000, perSeconds: 60 }, reuse: { most: 500 } },
      })
      const reasons = new Map<string, number>()
      for (let sent = 0; sent < REQUESTS; ) {
        const together = Array.from({ length: 200 }, () => {
          const n = sent++
          // Every tenth is one client that insists; the others come from ever new networks.
          const clientAddress = n % 10 === 0 ? '192.0.2.7' : `10.${(n >> 8) & 255}.${n & 255}.9`
          return self.ask(BUNDLE, n % 3 === 0 ? 'L402 garbage' : undefined, { clientAddress })
        })
        for (const decision of await Promise.all(together)) {
          const { status } = refused(decision)
          reasons.set(String(status), (reasons.get(String(status)) ?? 0) + 1)
        }
        self.clock += 120
      }
      // The burst of all clients together, and what each minute of the clock adds to it.
      const minutes = ((REQUESTS / 200) * 120) / 60_000
      expect(node.asked.invoices).toBeLessThanOrEqual(1_000 * (1 + minutes))
      expect(node.asked.invoices).toBeGreaterThanOrEqual(1_000)
      expect(node.asked.most).toBeLessThanOrEqual(32)
      expect(self.gate.heldChallenges).toBeLessThanOrEqual(500)
      expect(limits.size).toBeLessThanOrEqual(2 * 1_000)
      expect(writes).toBe(0)
      expect([...reasons.keys()].sort()).toEqual(['402', '503'])
    },
    30_000 + REQUESTS,
  )

  it('from one network is limited there, and leaves the others their share', async () => {
    const { self, node } = selling({
      challengeLimit: { limit: 3, perSeconds: 60 },
      challenges: { global: { limit: 5, perSeconds: 60 } },
    })
    const from = (clientAddress: string) => self.ask(BUNDLE, undefined, { clientAddress })
    for (let i = 0; i < 20; i++) await from(`192.0.2.${i}`)
    expect(node.asked.invoices).toBe(3)
    for (const network of [1, 2]) expect(refused(await from(`10.0.${network}.1`)).status).toBe(402)
    const full = refused(await from('10.0.3.1'))
    expect(full).toMatchObject({ status: 503, reason: 'challenge_capacity' })
    expect(full.headers).toEqual(expect.arrayContaining(['Retry-After', '12']))
    expect(node.asked.invoices).toBe(5)
  })
})

describe('a node that fails', () => {
  it('is left alone for a while after several failures in a row, then tried by one request', async () => {
    const { self, node } = selling({ challenges: { reuse: false, node: { failures: 3, openSeconds: 10 } } })
    node.real.offline = true
    for (let i = 0; i < 10; i++)
      expect(refused(await self.ask(BUNDLE))).toMatchObject({ status: 503, reason: 'lightning_unavailable' })
    expect(node.asked.invoices).toBe(3)
    expect(refused(await self.ask(BUNDLE)).headers).toEqual(expect.arrayContaining(['Retry-After', '10']))
    self.clock += 10_000
    const probes = await Promise.all(Array.from({ length: 20 }, () => self.ask(BUNDLE)))
    expect(probes.map((decision) => refused(decision).status)).toEqual(Array(20).fill(503))
    expect(node.asked.invoices).toBe(4)
    node.real.offline = false
    self.clock += 10_000
    expect(refused(await self.ask(BUNDLE)).status).toBe(402)
    const all = await Promise.all(Array.from({ length: 20 }, () => self.ask(BUNDLE)))
    expect(all.map((decision) => refused(decision).status)).toEqual(Array(20).fill(402))
  })

  it('by not answering counts as one that fails', async () => {
    const { lightning, asked } = counting()
    const silent = {
      ...lightning,
      createInvoice: () => {
        asked.invoices++
        return new Promise<never>(() => {})
      },
    }
    const { self } = selling({
      lightning: silent,
      challengeDeadlineMs: 5,
      challenges: { reuse: false, node: { failures: 2, concurrent: 1 } },
    })
    for (let i = 0; i < 5; i++) expect(refused(await self.ask(BUNDLE)).status).toBe(503)
    expect(asked.invoices).toBe(2)
  })

  it('is never asked for more at once than allowed; who would wait too long in line is told at once', async () => {
    const { self, node } = selling({ challenges: { reuse: false, node: { concurrent: 4, waiting: 10 } } })
    const all = await Promise.all(Array.from({ length: 50 }, () => self.ask(BUNDLE)))
    const statuses = all.map((decision) => refused(decision).status)
    expect(statuses.filter((status) => status === 402)).toHaveLength(14)
    expect(node.asked.most).toBe(4)
    expect(refused(await self.ask(BUNDLE)).status).toBe(402)
  })

  it.each([
    { node: { failures: 0 } },
    { node: { openSeconds: 0.5 } },
    { node: { concurrent: 0 } },
    { node: { waiting: -1 } },
    { global: { limit: 0, perSeconds: 1 } },
    { reuse: { most: 0 } },
    { reuse: { recheckMs: -1 } },
  ])('is not guarded by %j', (challenges) => {
    expect(() => bench({ challenges })).toThrow(RangeError)
  })
})
