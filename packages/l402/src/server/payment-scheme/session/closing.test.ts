/** How sessions end: what is left is paid back once, or stays where it is; never both, and never lost. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openShops } from '../../../../test/support/open-shops.ts'
import {
  type OpenedSession,
  refundWallet,
  returnInvoice,
  type SessionShop,
  sessionShop,
} from '../../../../test/support/session-shop.ts'
import { decodeHex } from '../../../core/bytes.ts'
import { formatCredential } from '../../../core/credential.ts'
import { L402Error } from '../../../core/errors.ts'
import { sha256 } from '../../../core/hash.ts'
import { decodeJsonObject } from '../../../core/payment-scheme/index.ts'
import type { PaymentOutcome } from '../../../lightning/backend.ts'
import type { Ledger } from '../../../stores/ledger.ts'
import { memoryStore } from '../../../stores/memory/index.ts'
import { sqliteStore } from '../../../stores/sqlite/index.ts'
import { type SessionClosed, sessions } from './desk.ts'
import { takenOffKeys } from './keys.ts'

const folders: string[] = []
// Hooks run last to first: those of the shops before this one.
afterEach(async () => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const open = openShops()

const FAILED: PaymentOutcome = { status: 'failed', detail: 'no route' }
const UNKNOWN: PaymentOutcome = { status: 'unknown', detail: 'no answer' }

function closing({ sessionId, preimage }: OpenedSession) {
  return { action: 'close', sessionId, preimage } as const
}

function bearer({ sessionId, preimage }: OpenedSession) {
  return { action: 'bearer', sessionId, preimage } as const
}

function close(shop: SessionShop, session: OpenedSession, path = '/bundle') {
  return shop.act(path, session.challenge, closing(session))
}

/** Calls that the L402 credential of the deposit still opens. */
async function leftFor(
  shop: SessionShop,
  { challenge, preimage }: Pick<OpenedSession, 'challenge' | 'preimage'>,
  path = '/bundle',
) {
  const macaroon = String(decodeJsonObject(challenge.opaque ?? '')?.['macaroon'])
  const Authorization = formatCredential(macaroon, decodeHex(preimage) as Uint8Array)
  let calls = 0
  while (calls < 200 && (await shop.ask(path, { Authorization })).status === 200) calls++
  return calls
}

describe('closing', () => {
  it('pays back what is left, to a satoshi, and says so in answer and receipt', async () => {
    const wallet = refundWallet()
    const closed: SessionClosed[] = []
    const shop = open({ wallet, onClosed: (one) => closed.push(one) })
    const session = await shop.open('/bundle')
    const answer = await close(shop, session)
    expect(answer).toMatchObject({
      status: 200,
      cacheControl: 'private',
      receipt: { reference: session.sessionId, refundSats: 98, refundStatus: 'succeeded' },
    })
    expect(answer.body).toEqual({ status: 'closed', refundSats: 98, refundStatus: 'succeeded' })
    expect(wallet.paid).toHaveLength(1)
    expect(wallet.paid[0]).toMatchObject({
      invoice: session.returnInvoice,
      amountMsat: 98_000n,
      maxFeeMsat: 0n,
      anyAmount: true,
    })
    expect(closed).toMatchObject([{ sessionId: session.sessionId, by: 'client', refundSats: 98 }])
    expect(shop.served).toHaveLength(1)
    expect(await leftFor(shop, session)).toBe(0)
  })

  it('counts what it takes off to be paid back apart from what was used', async () => {
    const store = memoryStore()
    const shop = open({ wallet: refundWallet(), store: { ...store, revocationEpoch: 0 } })
    const session = await shop.open('/bundle')
    const more = await shop.deposit('/bundle')
    const topUp = { action: 'topUp', sessionId: session.sessionId, topUpPreimage: more.preimage }
    expect(await shop.act('/bundle', more.challenge, topUp)).toMatchObject({ status: 200 })
    await close(shop, session)
    const taken = async ({ preimage }: { readonly preimage: string }): Promise<readonly unknown[]> => {
      const paymentHash = sha256(decodeHex(preimage) as Uint8Array)
      return (await store.read(takenOffKeys(paymentHash))).map((counter) => counter?.used ?? 0n)
    }
    expect(await taken(session)).toEqual([99n, 0n])
    expect(await taken(more)).toEqual([0n, 50n])
  })

  it('ends all actions; the challenge that closed it hears the same again, and nothing is paid twice', async () => {
    const wallet = refundWallet()
    const shop = open({ wallet })
    const session = await shop.open('/bundle')
    const first = await close(shop, session)
    expect((await close(shop, session)).body).toEqual(first.body)
    const [other] = await shop.offers('/bundle')
    if (other === undefined) throw new Error('expected a session to be offered')
    const open2 = { action: 'open', preimage: session.preimage, returnInvoice: returnInvoice() }
    for (const answer of [
      await shop.act('/bundle', other, closing(session)),
      await shop.act('/bundle', other, bearer(session)),
      await shop.act('/bundle', session.challenge, bearer(session)),
      await shop.act('/bundle', session.challenge, open2),
    ])
      expect(answer).toMatchObject({ status: 402, problem: 'lightning/session-closed' })
    expect((await shop.act('/bundle', other, bearer(session))).body).toMatchObject({
      refundSats: 98,
      refundStatus: 'succeeded',
    })
    expect(wallet.paid).toHaveLength(1)
  })

  it('fifty times at once, while it is being used, never gives back what was used', async () => {
    const wallet = refundWallet()
    const shop = open({ wallet })
    const session = await shop.open('/bundle')
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        shop.act('/bundle', session.challenge, i % 5 === 4 ? closing(session) : bearer(session)),
      ),
    )
    expect(wallet.paid).toHaveLength(1)
    const back = Number(wallet.paid[0]?.amountMsat ?? 0n) / 2_000
    expect(shop.served.length + back).toBeLessThanOrEqual(50)
    const served = shop.served.length
    expect(served + back + (await leftFor(shop, session))).toBe(50)
  })

  it('without a wallet pays nothing and leaves what is left on the balance, and says so', async () => {
    const shop = open()
    const session = await shop.open('/bundle')
    expect((await close(shop, session)).body).toMatchObject({
      status: 'closed',
      refundSats: 0,
      refundStatus: 'skipped',
      detail: expect.stringContaining('is on the balance'),
    })
    expect((await shop.act('/bundle', session.challenge, bearer(session))).problem).toBe(
      'lightning/session-closed',
    )
    expect(await leftFor(shop, session)).toBe(49)
  })

  it('of an empty session asks no wallet', async () => {
    const wallet = refundWallet()
    const shop = open({ wallet })
    const session = await shop.open('/dear')
    await shop.act('/dear', session.challenge, bearer(session))
    expect((await close(shop, session, '/dear')).body).toMatchObject({
      refundSats: 0,
      refundStatus: 'skipped',
    })
    expect(wallet.paid).toEqual([])
  })

  it('of what was measured pays back whole satoshis and keeps the rest on the balance', async () => {
    const wallet = refundWallet()
    const shop = open({ wallet })
    const session = await shop.open('/chat')
    expect((await close(shop, session, '/chat')).body).toMatchObject({ refundSats: 99 })
  })
})

describe('a refund that cannot be paid', () => {
  it.each<[string, () => PaymentOutcome]>([
    ['because there is no way', () => FAILED],
    [
      'because the wallet is out of reach',
      () => {
        throw new L402Error('lightning_unavailable', 'gone')
      },
    ],
  ])('%s is back on the balance', async (_, next) => {
    const wallet = refundWallet()
    wallet.next = next
    const shop = open({ wallet })
    const session = await shop.open('/bundle')
    expect((await close(shop, session)).body).toMatchObject({ refundSats: 98, refundStatus: 'failed' })
    expect((await close(shop, session)).body).toMatchObject({ refundStatus: 'failed' })
    expect(wallet.paid).toHaveLength(2)
    expect(await leftFor(shop, session)).toBe(49)
  })

  it('for nothing costs its receiver what its way costs, and no more leaves the till than was left', async () => {
    const wallet = refundWallet()
    wallet.next = ({ maxFeeMsat }) =>
      maxFeeMsat === 0n ? FAILED : { status: 'paid_unproven', feeMsat: maxFeeMsat }
    const shop = open({ wallet })
    const session = await shop.open('/dear')
    expect((await close(shop, session, '/dear')).body).toMatchObject({
      refundSats: 495,
      refundStatus: 'succeeded',
    })
    const [, { amountMsat = 0n, maxFeeMsat = 0n } = {}] = wallet.paid
    expect(amountMsat + maxFeeMsat).toBe(500_000n)
    expect(await leftFor(shop, session, '/dear')).toBe(0)
  })

  it('after the return invoice’s end is not tried: the money is still there', async () => {
    const wallet = refundWallet()
    const shop = open({ wallet })
    const { challenge, preimage } = await shop.deposit('/bundle')
    const short = returnInvoice({ expirySeconds: 60 })
    const answer = await shop.act('/bundle', challenge, { action: 'open', preimage, returnInvoice: short })
    const sessionId = answer.receipt?.reference ?? ''
    shop.clock += 61_000
    const session = { challenge, preimage, sessionId, returnInvoice: short, answer }
    expect((await close(shop, session)).body).toMatchObject({ refundSats: 0, refundStatus: 'skipped' })
    expect(wallet.paid).toEqual([])
    expect(await leftFor(shop, session)).toBe(49)
  })
})

describe('a refund whose end nobody saw', () => {
  it.each<[string, PaymentOutcome, string, number]>([
    ['was paid', { status: 'paid_unproven', feeMsat: 0n }, 'succeeded', 0],
    ['has failed', FAILED, 'failed', 49],
    ['is under way', { status: 'pending' }, 'pending', 0],
    ['is not known yet', UNKNOWN, 'pending', 0],
    ['was never sent, as far as one can know so soon', { status: 'not_found' }, 'pending', 0],
  ])('%s: it is looked up, told as it is, and never paid again', async (_, known, status, left) => {
    const wallet = refundWallet()
    wallet.next = () => UNKNOWN
    const shop = open({ wallet })
    const session = await shop.open('/bundle')
    expect((await close(shop, session)).body).toMatchObject({ refundSats: 98, refundStatus: 'pending' })
    wallet.known = known
    for (let i = 0; i < 2; i++)
      expect((await close(shop, session)).body).toMatchObject({ refundSats: 98, refundStatus: status })
    expect(wallet.paid).toHaveLength(1)
    expect(await leftFor(shop, session)).toBe(left)
  })

  it('was never sent, after ten minutes: it is back on the balance', async () => {
    const wallet = refundWallet()
    wallet.next = () => UNKNOWN
    const shop = open({ wallet })
    const session = await shop.open('/bundle')
    await close(shop, session)
    shop.clock += 601_000
    expect((await close(shop, session)).body).toMatchObject({ refundStatus: 'failed' })
    expect(await leftFor(shop, session)).toBe(49)
  })
})

/** Books in a file, so that a server that dies comes up again over them. */
async function books(folder: string, now: () => number): Promise<Ledger> {
  return sqliteStore({ file: join(folder, 'books.db'), now })
}

describe('a server that dies', () => {
  it('while it pays back knows afterwards that it may have paid, and asks', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sessions-'))
    folders.push(folder)
    let clock = 1_800_000_000_000
    const now = (): number => clock
    const wallet = refundWallet()
    const asked = Promise.withResolvers<void>()
    wallet.next = () => {
      asked.resolve()
      return new Promise<never>(() => {})
    }
    const first = sessionShop({ store: await books(folder, now), wallet })
    const session = await first.open('/bundle')
    void close(first, session).catch(() => {})
    await asked.promise
    await first.stop()
    clock += 1000
    wallet.known = { status: 'paid_unproven', feeMsat: 0n }
    wallet.next = () => FAILED
    const second = open({ store: await books(folder, now), wallet })
    expect((await close(second, session)).body).toMatchObject({ refundSats: 98, refundStatus: 'succeeded' })
    expect(wallet.paid).toHaveLength(1)
    expect(await leftFor(second, session)).toBe(0)
  })

  it('at any step of opening, topping up, using and closing neither loses nor gives anything away', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: STEPS }),
        fc.constantFrom('/few', '/little'),
        async (step, path) => {
          const folder = mkdtempSync(join(tmpdir(), 'sessions-'))
          folders.push(folder)
          let clock = 1_800_000_000_000
          const now = (): number => clock
          const wallet = refundWallet()
          const dying = mortal(await books(folder, now), step)
          const first = sessionShop({ store: dying.store, wallet })
          const { challenge, preimage } = await first.deposit(path)
          const more = await first.deposit(path)
          const sessionId = String(decodeJsonObject(challenge.request)?.['paymentHash'])
          const back = returnInvoice({ nowSeconds: clock / 1000 })
          const live = async (on: SessionShop): Promise<void> => {
            await on.act(path, challenge, { action: 'open', preimage, returnInvoice: back })
            const topUp = { action: 'topUp', sessionId, topUpPreimage: more.preimage }
            await on.act(path, more.challenge, topUp)
            await on.act(path, challenge, { action: 'bearer', sessionId, preimage })
            await on.act(path, challenge, { action: 'close', sessionId, preimage })
          }
          await Promise.race([live(first), dying.died])
          await dying.bury()
          clock += 1000
          if (wallet.paid.length > 0) wallet.known = { status: 'paid_unproven', feeMsat: 0n }
          const second = sessionShop({ store: await books(folder, now), wallet })
          second.clock = clock
          await live(second)
          clock += 601_000
          second.clock = clock
          await second.act(path, challenge, { action: 'close', sessionId, preimage })
          const one = { challenge, preimage, sessionId, returnInvoice: back }
          await leftFor(second, one, path)
          await leftFor(second, { ...one, ...more }, path)
          expect(wallet.paid.length).toBeLessThanOrEqual(1)
          const costMsat = path === '/few' ? 2_000n : 1_000n
          const served = BigInt(first.served.length + second.served.length)
          const spent = served * costMsat + wallet.paid.reduce((sum, { amountMsat }) => sum + amountMsat, 0n)
          // One may have been served and not been answered; of credit, less than an estimate stays.
          expect(spent).toBeLessThanOrEqual(20_000n + costMsat)
          expect(spent).toBeGreaterThanOrEqual(20_000n - 2n * costMsat)
          await second.stop()
        },
      ),
      { numRuns: RUNS },
    )
  })
})

/** Ledger calls from the first open on to the end of a close, more or less. */
const STEPS = 60
const RUNS = 2

/** Books whose process stands still for good at this call. */
function mortal(real: Ledger, step: number) {
  const death = Promise.withResolvers<void>()
  let steps = 0
  const store = new Proxy(real, {
    get(target, name) {
      const found = Reflect.get(target, name) as unknown
      if (typeof found !== 'function') return found
      if (name === 'isRevoked' || name === 'close') return found.bind(target) as unknown
      return (...args: unknown[]) => {
        if (++steps > step) {
          death.resolve()
          return new Promise<never>(() => {})
        }
        return (found as (...args: unknown[]) => unknown).apply(target, args)
      }
    },
  })
  return { store, died: death.promise, bury: () => real.close() }
}

describe('a session that nobody uses', () => {
  it('is closed and paid back by itself, also after a restart, and not while it is used', async () => {
    const wallet = refundWallet()
    const closed: SessionClosed[] = []
    const shop = open({ wallet, idleTimeoutSeconds: 1, onClosed: (one) => closed.push(one) })
    const session = await shop.open('/bundle')
    await shop.restart()
    // The first look begins the time.
    await vi.waitFor(async () => {
      shop.clock += 1_100
      expect(wallet.paid).toHaveLength(1)
    })
    expect(closed).toMatchObject([{ sessionId: session.sessionId, by: 'server', refundSats: 98 }])
    expect((await shop.act('/bundle', session.challenge, bearer(session))).problem).toBe(
      'lightning/session-closed',
    )
    // Its own challenge did not close it.
    expect((await close(shop, session)).problem).toBe('lightning/session-closed')
  })
})

describe('a desk', () => {
  it.each<[string, object]>([
    ['cannot cap fees', { capsFees: false }],
    ['cannot look payments up', { looksUp: false }],
    ['pays no invoices without an amount', { paysAnyAmount: false }],
  ])('is not made with a wallet that %s', (_, less) => {
    const wallet = refundWallet()
    const poor = { ...wallet, paymentCapabilities: { ...wallet.paymentCapabilities, ...less } }
    const store = memoryStore()
    expect(() => sessions({ store, network: 'regtest', wallet: poor })).toThrow(RangeError)
  })

  it.each([0, -1, 1.5])('is not made with an idle time of %s seconds', (idleTimeoutSeconds) => {
    const store = memoryStore()
    expect(() => sessions({ store, network: 'regtest', idleTimeoutSeconds })).toThrow(RangeError)
  })
})
