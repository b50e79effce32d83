/** Sessions of the Payment scheme through the paywall (draft-lightning-session-00; protocol §6). */

import { describe, expect, it } from 'vitest'
import { openShops } from '../../../../test/support/open-shops.ts'
import { refundWallet, returnInvoice, type SessionShop } from '../../../../test/support/session-shop.ts'
import { decodeHex } from '../../../core/bytes.ts'
import { findL402Challenges } from '../../../core/challenge.ts'
import { formatCredential } from '../../../core/credential.ts'
import {
  decodeJsonObject,
  formatPaymentCredential,
  type JsonObject,
  type PaymentChallenge,
} from '../../../core/payment-scheme/index.ts'

const open = openShops()

function bearer({ sessionId, preimage }: { readonly sessionId: string; readonly preimage: string }) {
  return { action: 'bearer', sessionId, preimage } as const
}

function closing({ sessionId, preimage }: { readonly sessionId: string; readonly preimage: string }) {
  return { action: 'close', sessionId, preimage } as const
}

/** The L402 credential of the same payment. */
function l402({ challenge, preimage }: { readonly challenge: PaymentChallenge; readonly preimage: string }) {
  const macaroon = String(decodeJsonObject(challenge.opaque ?? '')?.['macaroon'])
  return formatCredential(macaroon, decodeHex(preimage) as Uint8Array)
}

describe('a session', () => {
  it('is offered on the invoice of the L402 challenge, where a balance is sold', async () => {
    const shop = open({ idleTimeoutSeconds: 60 })
    const [challenge] = await shop.offers('/bundle')
    expect(challenge).toMatchObject({ method: 'lightning', intent: 'session', realm: 'api.example' })
    const { headers } = await shop.ask('/bundle', { 'Accept-Payment': 'lightning/session' })
    const [invoice] = findL402Challenges([headers.get('www-authenticate') ?? ''])
    const request = decodeJsonObject((await shop.offers('/bundle'))[0]?.request ?? '')
    expect(request).toMatchObject({ amount: '2', currency: 'sat', depositAmount: '100', idleTimeout: '60' })
    expect(String(request?.['depositInvoice']).slice(0, 8)).toBe(invoice?.invoice.slice(0, 8))
    expect(decodeJsonObject((await shop.offers('/chat'))[0]?.request ?? '')).toMatchObject({ amount: '2' })
    expect(await shop.offers('/call')).toEqual([])
    expect(await shop.offers('/pass')).toEqual([])
  })

  it.each([
    ['lightning/charge', ['charge']],
    ['lightning/session', ['session']],
    ['lightning/charge, lightning/session;q=0.5', ['charge', 'session']],
    ['lightning/charge;q=0.2, lightning/session;q=0.5', ['session', 'charge']],
    ['lightning/*', ['charge', 'session']],
    ['*/*, lightning/charge;q=0', ['session']],
    ['*/*;q=0', []],
  ])('is negotiated by Accept-Payment: %s', async (accept, intents) => {
    const found = await open().offers('/bundle', accept)
    expect(found.map(({ intent }) => intent)).toEqual(intents)
  })

  it('is opened with the first request, and goes on with any challenge of the server', async () => {
    const shop = open()
    const session = await shop.open('/bundle')
    expect(session.answer).toMatchObject({
      status: 200,
      cacheControl: 'private',
      receipt: { reference: session.sessionId, challengeId: session.challenge.id, status: 'success' },
    })
    const [later] = await shop.offers('/bundle')
    for (const challenge of [session.challenge, later as PaymentChallenge]) {
      const answer = await shop.act('/bundle', challenge, bearer(session))
      expect(answer).toMatchObject({ status: 200, receipt: { reference: session.sessionId } })
      expect(answer.receipt?.challengeId).toBe(challenge.id)
    }
    expect(shop.served).toHaveLength(3)
  })

  it('and the L402 credential of its invoice draw on one balance', async () => {
    const shop = open()
    const session = await shop.open('/dear')
    expect((await shop.ask('/dear', { Authorization: l402(session) })).status).toBe(200)
    const third = await shop.act('/dear', session.challenge, bearer(session))
    expect(third).toMatchObject({ status: 402, problem: 'lightning/insufficient-balance' })
    expect(shop.served).toHaveLength(2)
  })

  it('is offered no invoice that one was opened or topped up with a moment ago', async () => {
    const shop = open({ reuse: true })
    const session = await shop.open('/little')
    for (let i = 0; i < 3; i++) {
      const { challenge, preimage } = await shop.deposit('/little')
      const topUp = { action: 'topUp', sessionId: session.sessionId, topUpPreimage: preimage }
      expect(await shop.act('/little', challenge, topUp)).toMatchObject({ status: 200 })
    }
  })

  it('serves exactly what was paid for, however many ask at once', async () => {
    const shop = open()
    const session = await shop.open('/bundle')
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => shop.act('/bundle', session.challenge, bearer(session))),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(49)
    expect(shop.served).toHaveLength(50)
    expect(new Set(answers.filter(({ status }) => status !== 200).map(({ problem }) => problem))).toEqual(
      new Set(['lightning/insufficient-balance']),
    )
  })

  it('opened twenty times at once, and again later, is opened and credited once', async () => {
    const wallet = refundWallet()
    const shop = open({ wallet })
    const { challenge, preimage } = await shop.deposit('/bundle')
    const payload = { action: 'open', preimage, returnInvoice: returnInvoice() }
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => shop.act('/bundle', challenge, payload)),
    )
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    shop.clock += 3_600_000
    const again = await shop.act('/bundle', challenge, { ...payload, returnInvoice: returnInvoice() })
    expect(again.status).toBe(200)
    const { reference: sessionId = '' } = again.receipt ?? {}
    const closed = await shop.act('/bundle', challenge, closing({ sessionId, preimage }))
    expect(closed.body).toEqual({ status: 'closed', refundSats: 58, refundStatus: 'succeeded' })
    expect(wallet.paid.map(({ invoice }) => invoice)).toEqual([payload.returnInvoice])
  })

  it('of another route opens none that costs more (no cross-route underpayment)', async () => {
    const shop = open()
    const session = await shop.open('/bundle')
    const [dear] = await shop.offers('/dear')
    for (const challenge of [session.challenge, dear as PaymentChallenge])
      expect(await shop.act('/dear', challenge, bearer(session))).toMatchObject({ status: 402 })
    const { challenge, preimage } = await shop.deposit('/bundle')
    const opened = { action: 'open', preimage, returnInvoice: returnInvoice() }
    expect(await shop.act('/dear', challenge, opened)).toMatchObject({
      status: 402,
      problem: 'verification-failed',
    })
    expect(shop.served).toEqual(['/bundle'])
  })
})

describe('an order beside an L402 credential that would open the request', () => {
  /** Both in one request, as Fetch joins lines (V2). */
  function both(shop: SessionShop, first: string, challenge: PaymentChallenge, payload: JsonObject) {
    const order = formatPaymentCredential({ challenge, payload })
    return shop.ask('/bundle', { Authorization: `${first}, ${order}`, 'Accept-Payment': 'lightning/session' })
  }

  it('tops up or closes, and nothing of that credential is used', async () => {
    const wallet = refundWallet()
    const shop = open({ wallet })
    const session = await shop.open('/bundle')
    const beside = l402(await shop.deposit('/bundle'))
    const more = await shop.deposit('/bundle')
    const topUp = { action: 'topUp', sessionId: session.sessionId, topUpPreimage: more.preimage }
    const topped = await both(shop, beside, more.challenge, topUp)
    expect(topped).toMatchObject({ status: 200, body: { status: 'ok' } })
    expect(topped.receipt?.reference).toBe(session.sessionId)
    const closed = await both(shop, beside, session.challenge, closing(session))
    expect(closed.body).toEqual({ status: 'closed', refundSats: 198, refundStatus: 'succeeded' })
    expect(shop.served).toEqual(['/bundle'])
    const left = await shop.ask('/bundle', { Authorization: beside })
    expect(left.headers.get('ratelimit')).toBe('"calls";r=49')
  })

  it.each<[string, string, (topUp: JsonObject) => JsonObject]>([
    ['for no session', 'lightning/session-not-found', (topUp) => ({ ...topUp, sessionId: '5e'.repeat(32) })],
    ['without a preimage', 'lightning/malformed-credential', ({ topUpPreimage, ...rest }) => rest],
  ])('is refused %s, and not passed over', async (_, problem, changed) => {
    const shop = open()
    const session = await shop.open('/bundle')
    const more = await shop.deposit('/bundle')
    const topUp = { action: 'topUp', sessionId: session.sessionId, topUpPreimage: more.preimage }
    const beside = l402(session)
    expect(await both(shop, beside, more.challenge, changed(topUp))).toMatchObject({ status: 402, problem })
    expect(shop.served).toHaveLength(1)
    expect((await both(shop, beside, more.challenge, topUp)).body).toEqual({ status: 'ok' })
  })

  it('is the only thing that goes before it: of a bearer and an L402 credential the latter opens', async () => {
    const shop = open()
    const session = await shop.open('/bundle')
    const beside = l402(await shop.deposit('/bundle'))
    const served = await both(shop, beside, session.challenge, bearer(session))
    expect([served.status, served.receipt]).toEqual([200, undefined])
    expect(served.headers.get('ratelimit')).toBe('"calls";r=49')
  })
})

describe('what is no session', () => {
  const SECRET = '5e'.repeat(32)
  it.each<[string, string, (session: { sessionId: string; preimage: string }) => object]>([
    ['an unknown one', 'lightning/invalid-preimage', () => bearer({ sessionId: SECRET, preimage: SECRET })],
    ['with another preimage', 'lightning/invalid-preimage', (one) => bearer({ ...one, preimage: SECRET })],
    [
      'to be closed with another preimage',
      'lightning/invalid-preimage',
      (one) => closing({ ...one, preimage: SECRET }),
    ],
    ['without an action', 'lightning/malformed-credential', ({ preimage }) => ({ preimage })],
    ['with an action nobody knows', 'lightning/malformed-credential', (one) => ({ ...one, action: 'spend' })],
    ['with a short preimage', 'lightning/malformed-credential', (one) => bearer({ ...one, preimage: 'ab' })],
    [
      'with a number for an id',
      'lightning/malformed-credential',
      (one) => ({ ...bearer(one), sessionId: 7 }),
    ],
  ])('%s is refused with a fresh challenge', async (_, problem, payload) => {
    const shop = open()
    const session = await shop.open('/bundle')
    const answer = await shop.act('/bundle', session.challenge, payload(session) as never)
    expect(answer).toMatchObject({ status: 402, problem, cacheControl: 'no-store' })
    expect(answer.headers.get('www-authenticate')).toContain('intent="session"')
    expect(JSON.stringify(answer.body)).not.toContain(SECRET)
    expect(shop.served).toHaveLength(1)
  })

  it('a deposit that was paid and not opened is not found, and opens as L402', async () => {
    const shop = open()
    const paid = await shop.deposit('/bundle')
    const { paymentHash } = decodeJsonObject(paid.challenge.request) ?? {}
    const answer = await shop.act(
      '/bundle',
      paid.challenge,
      bearer({ ...paid, sessionId: String(paymentHash) }),
    )
    expect(answer).toMatchObject({ status: 402, problem: 'lightning/session-not-found' })
    expect((await shop.ask('/bundle', { Authorization: l402(paid) })).status).toBe(200)
  })

  it.each<[string, (preimage: string) => object]>([
    ['that is none', () => ({ returnInvoice: 'lnbcrt1nonsense' })],
    ['with an amount', () => ({ returnInvoice: returnInvoice({ amountMsat: 1_000n }) })],
    ['of another network', () => ({ returnInvoice: returnInvoice({ network: 'mainnet' }) })],
    [
      'that has expired',
      () => ({ returnInvoice: returnInvoice({ nowSeconds: 1_700_000_000, expirySeconds: 60 }) }),
    ],
    ['of both cases', () => ({ returnInvoice: returnInvoice().replace('lnbcrt', 'LNbcrt') })],
  ])('a return invoice %s opens none, and nothing is lost', async (_, more) => {
    const shop = open()
    const { challenge, preimage } = await shop.deposit('/bundle')
    const payload = { action: 'open', preimage, ...more(preimage) }
    const answer = await shop.act('/bundle', challenge, payload as never)
    expect(answer).toMatchObject({ status: 402, problem: 'lightning/invalid-return-invoice' })
    const good = { action: 'open', preimage, returnInvoice: returnInvoice() }
    expect((await shop.act('/bundle', challenge, good)).status).toBe(200)
  })

  it('a return invoice is one session’s alone: two refunds to it would be one payment', async () => {
    const shop = open()
    const first = await shop.open('/bundle')
    const { challenge, preimage } = await shop.deposit('/bundle')
    const payload = { action: 'open', preimage, returnInvoice: first.returnInvoice }
    expect(await shop.act('/bundle', challenge, payload)).toMatchObject({
      status: 402,
      problem: 'lightning/invalid-return-invoice',
    })
  })

  it('an open after the challenge’s end is refused as the draft says, and the payment still opens as L402', async () => {
    const shop = open()
    const paid = await shop.deposit('/bundle')
    shop.clock += 601_000
    const payload = { action: 'open', preimage: paid.preimage, returnInvoice: returnInvoice() }
    const answer = await shop.act('/bundle', paid.challenge, payload)
    expect(answer).toMatchObject({ status: 402, problem: 'lightning/challenge-expired' })
    expect(String(answer.body['detail'])).toContain('Authorization: L402')
    expect((await shop.ask('/bundle', { Authorization: l402(paid) })).status).toBe(200)
  })
})

describe('a session that is pinned', () => {
  it.each([
    ['by the server', { pin: true }, {}],
    ['by its client', {}, { pin: true }],
  ])(
    '%s is opened by its own challenge alone: who forwarded the deposit has none',
    async (_, options, more) => {
      const shop = open(options)
      const session = await shop.open('/bundle', more)
      const [thiefs] = await shop.offers('/bundle')
      for (const payload of [bearer(session), closing(session)])
        expect(await shop.act('/bundle', thiefs as PaymentChallenge, payload)).toMatchObject({
          status: 402,
          problem: 'lightning/unknown-challenge',
        })
      expect((await shop.act('/bundle', session.challenge, bearer(session))).status).toBe(200)
      expect(shop.served).toHaveLength(2)
    },
  )

  it('may hold more than one that is not', async () => {
    expect(await open({ mostMsat: 500_000n }).offers('/dear')).toEqual([])
    expect(await open({ mostMsat: 500_000n }).offers('/bundle')).toHaveLength(1)
    expect(await open({ mostMsat: 500_000n, pin: true }).offers('/dear')).toHaveLength(1)
  })
})

describe('a top-up', () => {
  it.each(['/bundle', '/chat'])('of %s adds to the same balance, once, and serves nothing', async (path) => {
    const wallet = refundWallet()
    const shop = open({ wallet })
    const session = await shop.open(path)
    const more = await shop.deposit(path)
    const payload = { action: 'topUp', sessionId: session.sessionId, topUpPreimage: more.preimage }
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => shop.act(path, more.challenge, payload)),
    )
    for (const answer of answers)
      expect(answer).toMatchObject({
        status: 200,
        body: { status: 'ok' },
        cacheControl: 'private',
        receipt: { reference: session.sessionId },
      })
    expect(shop.served).toHaveLength(1)
    // The payment is the session's now, and nothing of its own any more.
    expect((await shop.ask(path, { Authorization: l402(more) })).status).toBe(402)
    const closed = await shop.act(path, session.challenge, closing(session))
    expect(closed.body).toMatchObject({
      refundSats: path === '/bundle' ? 198 : 199,
      refundStatus: 'succeeded',
    })
    expect(wallet.paid).toHaveLength(1)
  })

  it('of an empty session lets it go on, with the challenge that says so', async () => {
    const shop = open()
    const session = await shop.open('/dear')
    await shop.act('/dear', session.challenge, bearer(session))
    expect((await shop.act('/dear', session.challenge, bearer(session))).problem).toBe(
      'lightning/insufficient-balance',
    )
    const more = await shop.deposit('/dear')
    const payload = { action: 'topUp', sessionId: session.sessionId, topUpPreimage: more.preimage }
    expect((await shop.act('/dear', more.challenge, payload)).status).toBe(200)
    for (const status of [200, 200, 402])
      expect((await shop.act('/dear', session.challenge, bearer(session))).status).toBe(status)
  })

  it.each(['/bundle', '/chat'])(
    'of %s with a payment that L402 has used brings what is left of it',
    async (path) => {
      const shop = open()
      const session = await shop.open(path)
      const more = await shop.deposit(path)
      // One call of a bundle: the rest can still be moved. All of a credit account is one thing.
      expect((await shop.ask(path, { Authorization: l402(more) })).status).toBe(200)
      const payload = { action: 'topUp', sessionId: session.sessionId, topUpPreimage: more.preimage }
      const answer = await shop.act(path, more.challenge, payload)
      if (path === '/chat') expect(answer.problem).toBe('lightning/unknown-challenge')
      else expect(answer.status).toBe(200)
      expect((await shop.ask(path, { Authorization: l402(more) })).status).toBe(path === '/chat' ? 200 : 402)
    },
  )

  it('is refused for another route, another session, the deposit itself, a closed one and one nobody knows', async () => {
    const shop = open()
    const session = await shop.open('/bundle')
    const other = await shop.open('/bundle')
    const [more, dear] = [await shop.deposit('/bundle'), await shop.deposit('/dear')]
    const top = (sessionId: string, { challenge, preimage }: typeof more) =>
      shop.act('/bundle', challenge, { action: 'topUp', sessionId, topUpPreimage: preimage })
    expect((await top(session.sessionId, dear)).problem).toBe('verification-failed')
    expect((await top(session.sessionId, session)).problem).toBe('lightning/unknown-challenge')
    expect((await top('ab'.repeat(32), more)).problem).toBe('lightning/session-not-found')
    expect((await top(session.sessionId, { ...more, preimage: 'ab'.repeat(32) })).problem).toBe(
      'lightning/invalid-preimage',
    )
    expect((await top(session.sessionId, more)).status).toBe(200)
    expect((await top(other.sessionId, more)).problem).toBe('lightning/unknown-challenge')
    await shop.act('/bundle', other.challenge, closing(other))
    const last = await shop.deposit('/bundle')
    expect((await top(other.sessionId, last)).problem).toBe('lightning/session-closed')
    expect((await shop.ask('/bundle', { Authorization: l402(last) })).status).toBe(200)
  })

  it('beyond what an unpinned session may hold is refused, and stays good on its own', async () => {
    const shop = open({ mostMsat: 150_000n })
    const session = await shop.open('/bundle')
    const more = await shop.deposit('/bundle')
    const payload = { action: 'topUp', sessionId: session.sessionId, topUpPreimage: more.preimage }
    expect((await shop.act('/bundle', more.challenge, payload)).problem).toBe('verification-failed')
    expect((await shop.ask('/bundle', { Authorization: l402(more) })).status).toBe(200)
  })
})
