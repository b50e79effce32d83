/** Orders about a session on routes where nobody has to pay: they end in the gate there too. */

import { describe, expect, it } from 'vitest'
import { openShops } from '../../../../test/support/open-shops.ts'
import { refundWallet, type SessionShop } from '../../../../test/support/session-shop.ts'
import { formatPaymentCredential, type JsonObject } from '../../../core/payment-scheme/index.ts'

const SECRET = '5e'.repeat(32)
const open = openShops()

/** An open session, a second deposit, and the orders that both make possible. */
async function orders(shop: SessionShop) {
  const session = await shop.open('/bundle')
  const more = await shop.deposit('/bundle')
  const { sessionId, preimage } = session
  return {
    session,
    more,
    topUp: { action: 'topUp', sessionId, topUpPreimage: more.preimage },
    close: { action: 'close', sessionId, preimage },
  } as const
}

const EVERYWHERE = ['/free', '/gift', '/shadow', '/unsold', '/bundle'] as const

describe.each(EVERYWHERE)('on %s', (path) => {
  it('a top-up and a close are carried out, and the resource sees neither', async () => {
    const shop = open({ wallet: refundWallet() })
    const { session, more, topUp, close } = await orders(shop)
    const topped = await shop.act(path, more.challenge, topUp)
    expect(topped).toMatchObject({ status: 200, body: { status: 'ok' } })
    const closed = await shop.act(path, session.challenge, close)
    expect(closed.body).toEqual({ status: 'closed', refundSats: 198, refundStatus: 'succeeded' })
    expect(shop.served).toEqual(['/bundle'])
  })

  const CHALLENGED = path === '/gift' || path === '/bundle'
  it.each<[string, string, (order: Awaited<ReturnType<typeof orders>>) => JsonObject]>([
    [
      'a top-up of no session',
      'lightning/session-not-found',
      ({ topUp }) => ({ ...topUp, sessionId: SECRET }),
    ],
    [
      'a top-up without a preimage',
      'lightning/malformed-credential',
      ({ topUp: { topUpPreimage, ...rest } }) => rest,
    ],
    [
      'a close with another preimage',
      'lightning/invalid-preimage',
      ({ close }) => ({ ...close, preimage: SECRET }),
    ],
  ])('%s is refused with its problem, and never passed on', async (_, problem, payloadOf) => {
    const shop = open()
    const order = await orders(shop)
    const answer = await shop.act(path, order.more.challenge, payloadOf(order))
    expect(answer).toMatchObject({ status: CHALLENGED ? 402 : 401, problem, cacheControl: 'no-store' })
    expect(answer.headers.get('www-authenticate')?.includes('invoice=')).toBe(CHALLENGED)
    expect(shop.served).toEqual(['/bundle'])
  })

  it('an order with a challenge of somebody else is refused, and so is one beside another credential', async () => {
    const shop = open()
    const { session, close } = await orders(shop)
    const foreign = { ...session.challenge, realm: 'other.example' }
    expect(await shop.act(path, foreign, close)).toMatchObject({ problem: 'lightning/unknown-challenge' })
    const one = formatPaymentCredential({ challenge: session.challenge, payload: close })
    const two = await shop.ask(path, { Authorization: `${one}, ${one}` })
    expect(two).toMatchObject({ problem: 'lightning/malformed-credential' })
    expect(shop.served).toEqual(['/bundle'])
    expect((await shop.act('/bundle', session.challenge, close)).body).toMatchObject({ status: 'closed' })
  })
})

describe('a route where nobody has to pay', () => {
  it('has all its freebies left after orders, refused and carried out', async () => {
    const shop = open()
    const { session, topUp, more, close } = await orders(shop)
    for (const payload of [{ ...topUp, sessionId: SECRET }, { action: 'topUp' }, topUp])
      await shop.act('/gift', more.challenge, payload)
    await shop.act('/gift', session.challenge, close)
    expect((await shop.ask('/gift')).status).toBe(200)
    expect((await shop.ask('/gift')).status).toBe(402)
    expect(shop.served).toEqual(['/bundle', '/gift'])
  })

  it('is served as ever beside a bearer, which orders nothing', async () => {
    const shop = open()
    const { session, more } = await orders(shop)
    const { sessionId, preimage } = session
    for (const path of ['/free', '/shadow'])
      expect((await shop.act(path, more.challenge, { action: 'bearer', sessionId, preimage })).status).toBe(
        200,
      )
    expect(shop.served).toEqual(['/bundle', '/free', '/shadow'])
  })
})
