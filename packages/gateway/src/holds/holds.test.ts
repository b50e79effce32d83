import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeInvoice, formatCredential } from '@turnpike/l402'
import type { PaymentOutcome } from '@turnpike/l402/lightning'
import { type MemoryLightning, memoryLightning } from '@turnpike/l402/lightning/memory'
import { compileRoutes, createGate, findHoldPreimage, keyRing, type RouteTerms } from '@turnpike/l402/server'
import { sqliteStore } from '@turnpike/l402/store/sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import {
  cleanups,
  closeAll,
  proxyRoute,
  startGateway,
  startUpstream,
  type Upstream,
} from '../../test/proxy/harness.ts'
import { createHoldDesk, type HoldDesk, type HoldDeskOptions } from './hold-desk.ts'
import { openHoldJournal } from './hold-journal.ts'

afterEach(closeAll)

const KEYS = keyRing([{ id: 'k1', masterKey: new Uint8Array(32).fill(7), active: true }])
const TERMS: RouteTerms = {
  service: 'demo',
  name: '/paid/*',
  free: false,
  priceMsat: 10_000n,
  grants: { calls: 1 },
  capability: '/paid/*',
  hold: true,
}

interface Challenge {
  readonly status: number
  readonly invoice: string
  readonly macaroon: string
}

interface Shop {
  readonly origin: string
  readonly lightning: MemoryLightning
  readonly desk: HoldDesk
  readonly file: string
  ask(path?: string, init?: RequestInit): Promise<Response>
  challenge(path?: string, init?: RequestInit): Promise<Challenge>
  /** Pays a challenge; the outcome follows, as it does for a wallet whose payment is held. */
  pay(challenge: Challenge): Promise<PaymentOutcome>
  stop(): Promise<void>
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-holds-'))
  cleanups.push(async () => rmSync(folder, { recursive: true }))
  return folder
}

async function openShop(
  upstream: Pick<Upstream, 'origin'>,
  {
    folder = newFolder(),
    lightning = memoryLightning(),
    strict = false,
    ...more
  }: { folder?: string; lightning?: MemoryLightning; strict?: boolean } & Partial<HoldDeskOptions> = {},
): Promise<Shop> {
  const ledger = await sqliteStore({ file: join(folder, 'books.db') })
  const gate = createGate({ lightning, ledger, keys: KEYS, services: { demo: {} }, strict })
  const file = join(folder, 'turnpike.holds')
  const desk = createHoldDesk({
    lightning,
    journal: await openHoldJournal(file),
    plane: () => gateway.dataPlane,
    preimageOf: (hold) => findHoldPreimage(KEYS, hold),
    warn: () => {},
    pollMs: 5,
    ...more,
  })
  const route = { ...proxyRoute(upstream.origin, '/paid/*', { timeoutMs: 2_000 }), terms: TERMS }
  const gateway = await startGateway({
    routing: [{ routes: compileRoutes([{ match: '/paid/*', value: route }]) }],
    gate,
    holds: desk,
  })
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= desk.stop().then(() => ledger.close())
    return stopped
  }
  cleanups.push(stop)
  const origin = `http://127.0.0.1:${gateway.port}`
  const ask: Shop['ask'] = (path = '/paid/x', init = {}) => fetch(`${origin}${path}`, init)
  return {
    ...{ origin, lightning, desk, file, ask, stop },
    async challenge(path, init) {
      const response = await ask(path, init)
      const body = response.status === 402 ? await response.json() : { invoice: '', macaroon: '' }
      return { status: response.status, invoice: body.invoice, macaroon: body.macaroon }
    },
    pay({ invoice }) {
      const { paymentHash, amountMsat } = decodeInvoice(invoice)
      return lightning.pay({
        invoice,
        paymentHash,
        amountMsat: amountMsat ?? 0n,
        maxFeeMsat: 0n,
        timeoutMs: 20_000,
      })
    },
  }
}

function credentialOf({ macaroon }: Challenge, paid: PaymentOutcome): { Authorization: string } {
  if (paid.status !== 'paid') throw new Error(`the payment is ${paid.status}`)
  return { Authorization: formatCredential(macaroon, paid.preimage) }
}

const stateOf = ({ lightning }: Shop, { invoice }: Challenge) =>
  lightning.lookupInvoice(decodeInvoice(invoice).paymentHash)

describe('a route that is paid on delivery', () => {
  it.each([false, true])(
    'runs the request once, when it is paid, and the buyer gets its answer (strict: %s)',
    async (strict) => {
      const upstream = await startUpstream((req, res) => {
        req.resume()
        req.on('end', () => res.setHeader('X-Made', 'yes').end('a fine picture'))
      })
      const shop = await openShop(upstream, { strict })
      const init = { method: 'POST', body: 'draw me a sheep', headers: { 'X-Style': 'plain' } }
      const challenge = await shop.challenge('/paid/x?y=1', init)
      expect(challenge.status).toBe(402)
      expect(upstream.seen).toEqual([])
      const paid = await shop.pay(challenge)
      expect(upstream.seen).toMatchObject([{ method: 'POST', url: '/paid/x?y=1', body: 'draw me a sheep' }])
      expect(upstream.seen[0]?.rawHeaders.join(' ')).toContain('X-Style plain')
      const authorization = credentialOf(challenge, paid)
      for (let i = 0; i < 2; i++) {
        const answer = await shop.ask('/paid/x?y=1', {
          ...init,
          headers: { ...init.headers, ...authorization },
        })
        expect([answer.status, answer.headers.get('x-made'), await answer.text()]).toEqual([
          200,
          'yes',
          'a fine picture',
        ])
      }
      expect(upstream.seen).toHaveLength(1)
      expect(await shop.lightning.sellerBalanceMsat()).toBe(10_000n)
    },
  )

  it('sells another request anew to who has the credential of one', async () => {
    const upstream = await startUpstream()
    const shop = await openShop(upstream)
    const challenge = await shop.challenge()
    const headers = credentialOf(challenge, await shop.pay(challenge))
    const other = await shop.ask('/paid/other', { headers })
    expect(other.status).toBe(402)
    const body = await other.json()
    expect(body).toMatchObject({ code: 'exhausted' })
    expect(body.paymentHash).not.toBe(decodeInvoice(challenge.invoice).paymentHash)
    expect(upstream.seen).toHaveLength(1)
  })

  it.each([
    ['fails', 500, 'broken'],
    ['has an answer too large to be kept', 200, 'x'.repeat(300_000)],
  ])('gives the money back where the upstream %s', async (_, status, text) => {
    const upstream = await startUpstream((req, res) => {
      req.resume()
      res.writeHead(status).end(text)
    })
    const shop = await openShop(upstream)
    const before = await shop.lightning.balanceMsat()
    const challenge = await shop.challenge()
    expect((await shop.pay(challenge)).status).toBe('failed')
    expect(await stateOf(shop, challenge)).toBe('cancelled')
    expect(await shop.lightning.balanceMsat()).toBe(before)
    expect(await shop.lightning.sellerBalanceMsat()).toBe(0n)
    await expect.poll(() => shop.desk.open).toBe(0)
  })

  it('gives the money back where the answer takes too long', async () => {
    const upstream = await startUpstream(() => {})
    const shop = await openShop(upstream, { withinMs: 50 })
    expect((await shop.pay(await shop.challenge())).status).toBe('failed')
    expect(await shop.lightning.sellerBalanceMsat()).toBe(0n)
  })

  it('asks nothing of the upstream for who does not pay, and takes no more than it can keep', async () => {
    const upstream = await startUpstream()
    const shop = await openShop(upstream, { most: 8 })
    const first = await shop.challenge()
    expect((await shop.challenge()).status).toBe(402)
    const full = await shop.ask()
    expect([full.status, full.headers.has('www-authenticate')]).toEqual([503, false])
    expect((await shop.pay(first)).status).toBe('paid')
    await expect.poll(() => shop.desk.open).toBe(1)
    expect((await shop.challenge()).status).toBe(402)
    expect(upstream.seen).toHaveLength(1)
  })

  it('makes what nobody has paid unpayable when it stops', async () => {
    const shop = await openShop(await startUpstream())
    const challenge = await shop.challenge()
    await shop.stop()
    expect(await stateOf(shop, challenge)).toBe('cancelled')
    expect((await shop.pay(challenge)).status).toBe('failed')
  })
})

describe('after a gateway that died', () => {
  /** A file as a gateway leaves it that dies with one payment under way. */
  async function died(
    answered: boolean,
  ): Promise<{ folder: string; lightning: MemoryLightning; challenge: Challenge; shop: Shop }> {
    const folder = newFolder()
    const lightning = memoryLightning()
    // This one never hears of the payment, nor gets anything into the file any more.
    const shop = await openShop(await startUpstream(), { folder, lightning, pollMs: 1_000_000 })
    const challenge = await shop.challenge()
    if (answered) {
      const journal = await openHoldJournal(shop.file)
      const [facts] = journal.found
      if (facts === undefined) throw new Error('no hold is in the file')
      await journal.add({ ...facts, answered: true })
      await journal.close()
    }
    return { folder, lightning, challenge, shop }
  }

  it.each([
    ['gives back', false, 'failed', 'cancelled'],
    ['settles', true, 'paid', 'settled'],
  ] as const)('the next one %s what is held and was answered: %s', async (_, answered, outcome, state) => {
    const { folder, lightning, challenge, shop } = await died(answered)
    const paying = shop.pay(challenge)
    await expect.poll(() => stateOf(shop, challenge)).toBe('accepted')
    const next = await openShop(await startUpstream(), { folder: newFolder(), lightning })
    expect(next.desk.open).toBe(0)
    const desk = createHoldDesk({
      lightning,
      journal: await openHoldJournal(join(folder, 'turnpike.holds')),
      plane: () => ({ listener: () => {} }),
      preimageOf: (hold) => findHoldPreimage(KEYS, hold),
      warn: () => {},
      pollMs: 5,
    })
    cleanups.push(() => desk.stop())
    expect((await paying).status).toBe(outcome)
    expect(await stateOf(shop, challenge)).toBe(state)
    await expect.poll(() => desk.open).toBe(0)
    const again = await openHoldJournal(join(folder, 'turnpike.holds'))
    expect(again.found).toEqual([])
    await again.close()
  })

  it('the next one makes unpayable what nobody has paid, as soon as the node answers', async () => {
    const { folder, lightning, challenge, shop } = await died(false)
    lightning.offline = true
    const desk = createHoldDesk({
      lightning,
      journal: await openHoldJournal(join(folder, 'turnpike.holds')),
      plane: () => ({ listener: () => {} }),
      preimageOf: () => undefined,
      warn: () => {},
      pollMs: 5,
    })
    cleanups.push(() => desk.stop())
    expect(desk.open).toBe(1)
    lightning.offline = false
    await expect.poll(() => desk.open).toBe(0)
    expect(await stateOf(shop, challenge)).toBe('cancelled')
  })

  it('the file holds no secret', async () => {
    const { challenge, shop } = await died(true)
    const text = readFileSync(shop.file, 'utf8')
    const paying = shop.pay(challenge)
    const desk = createHoldDesk({
      lightning: shop.lightning,
      journal: await openHoldJournal(shop.file),
      plane: () => ({ listener: () => {} }),
      preimageOf: (hold) => findHoldPreimage(KEYS, hold),
      warn: () => {},
      pollMs: 5,
    })
    cleanups.push(() => desk.stop())
    const paid = await paying
    if (paid.status !== 'paid') throw new Error(paid.status)
    expect(text).not.toContain(Buffer.from(paid.preimage).toString('hex'))
    expect(text).not.toContain(challenge.macaroon)
  })
})
