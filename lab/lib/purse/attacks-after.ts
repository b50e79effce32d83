/** Servers that take the money, and wallets that do not say what became of it (rules C3, C4, C8). */

import type { Attack } from './attack.ts'
import { type Challenge, charge, demand, headerOf, type Scene } from './scene.ts'

/** Charges 10 sat; once paid, does `then`. Two calls: the second must not pay again. */
const taken = (
  name: string,
  then: NonNullable<Attack['http']>,
  ends: Attack['ends'],
  more: Partial<Attack> = {},
): Attack => ({
  name: `takes the money and ${name}`,
  http: (asked, response, scene) => (asked.paid ? then(asked, response, scene) : charge(response, scene)),
  ends,
  allowedMsat: 10_000n,
  ...more,
})
const status =
  (code: number, headers: Record<string, string> = {}): NonNullable<Attack['http']> =>
  (_, response) =>
    response.writeHead(code, headers).end('no')

/** One challenge for the whole attack. */
const remembered = (): ((scene: Scene) => Challenge) => {
  const kept = new WeakMap<Scene, Challenge>()
  return (scene) => {
    const challenge = kept.get(scene) ?? scene.challenge()
    kept.set(scene, challenge)
    return challenge
  }
}
const [first, second, third] = [remembered(), remembered(), remembered()]
const twice = (end: Attack['ends'][number]): Attack['ends'] => [end, end]
const requestsAtMost =
  (most: number): NonNullable<Attack['check']> =>
  (scene) => {
    if (scene.asked.length > most) throw new Error(`it was asked ${scene.asked.length} times`)
  }

export const afterAttacks: readonly Attack[] = [
  taken('asks for money again for ever', (_, response, scene) => charge(response, scene), [
    'not_served 402',
    'not_served 402',
    'not_served 402',
  ]),
  taken(
    'asks thirty callers at once for money again',
    (_, response, scene) => charge(response, scene),
    Array<RegExp>(30).fill(/^not_served/),
    { atOnce: true, flags: null },
  ),
  taken(
    'asks for a hundred times the price then',
    (_, response, scene) => charge(response, scene, { amountMsat: 900_000n }),
    ['not_served 402', 'not_served 402'],
  ),
  taken(
    'asks a buyer who would pay twice a third time',
    (_, response, scene) => charge(response, scene),
    ['not_served 402'],
    {
      options: { secondPurchase: true },
      flags: ['--pay-again'],
      allowedMsat: 20_000n,
    },
  ),
  taken('answers 401', status(401), twice('not_served 401')),
  taken('answers 403', status(403), twice('not_served 403')),
  taken('answers 500', status(500), twice('not_served 500')),
  taken(
    'answers 503 and "retry in ten years"',
    status(503, { 'retry-after': '315360000' }),
    twice('not_served 503'),
    {
      check: requestsAtMost(4),
    },
  ),
  taken('answers 429 and "retry at once"', status(429, { 'retry-after': '0' }), twice('not_served 429'), {
    check: requestsAtMost(4),
  }),
  taken('answers 503 and a date no calendar has', status(503, { 'retry-after': 'Fri, 99 Foo 99999' }), [
    'not_served 503',
  ]),
  taken('answers 408, as if nothing had come', status(408), ['not_served 408']),
  taken('drops the connection', (_, response) => response.destroy(), ['not_served', 'not_served']),
  taken(
    'never answers',
    () => {},
    ['threw'].map(() => /^(threw|not_served)$/),
    {
      abortAfterMs: 700,
      flags: ['--max-time', '0.7'],
    },
  ),
  taken(
    'offers the same invoice again',
    (_, response, scene) => demand(response, headerOf(first(scene))),
    ['not_served 402'],
    {
      http: (_, response, scene) => demand(response, headerOf(first(scene))),
    },
  ),
  {
    name: 'sells one invoice under two paths',
    http: (asked, response, scene) =>
      asked.paid && asked.target === '/a' ? response.end('sunny') : demand(response, headerOf(second(scene))),
    url: (scene) => `${scene.main}/${scene.asked.length === 0 ? 'a' : 'b'}`,
    ends: ['served 200', /^(unpayable already_used|not_served 402)$/],
    allowedMsat: 10_000n,
  },
  {
    name: 'resells an invoice that was paid elsewhere',
    http: (asked, response, scene) =>
      asked.paid ? response.end('sunny') : demand(response, headerOf(third(scene))),
    url: (scene) => (scene.asked.length === 0 ? `${scene.main}/x` : `${scene.other}/x`),
    ends: ['served 200', 'unpayable already_used'],
    allowedMsat: 10_000n,
  },
  taken(
    'redirects in a circle',
    (_, response) => response.writeHead(302, { location: '/x' }).end(),
    [/^(not_served|threw)/, /^(not_served|threw)/],
    { flags: ['-L'], check: requestsAtMost(40) },
  ),
  taken(
    'sets a cookie, to know the buyer again',
    (_, response) => response.writeHead(200, { 'set-cookie': 'id=7' }).end('sunny'),
    ['served 200', 'served 200'],
    {
      http: (asked, response, scene) =>
        asked.paid
          ? response.writeHead(200, { 'set-cookie': 'id=7; Path=/' }).end('sunny')
          : demand(response, headerOf(scene.challenge()), { headers: { 'set-cookie': 'buyer=7; Path=/' } }),
      check: (scene) => {
        if (scene.asked.some(({ headers }) => headers.cookie !== undefined))
          throw new Error('a cookie was sent')
      },
    },
  ),
  taken(
    'breaks off in the middle',
    (_, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('sun')
      setTimeout(() => response.destroy(), 20)
    },
    [/^(served 200|not_served|threw)/, /^(served 200|not_served|threw)/],
  ),
  taken(
    'says the answer is longer than it is',
    (_, response) => {
      response.writeHead(200, { 'content-length': '100000' })
      response.write('sunny')
      setTimeout(() => response.destroy(), 20)
    },
    [/^(served 200|not_served|threw)/],
  ),
  {
    name: 'charges while the wallet’s answer is lost: it is looked up, not paid again',
    http: (asked, response, scene) => (asked.paid ? response.end('sunny') : charge(response, scene)),
    wallet: 'lost',
    ends: ['payment_unknown', 'served 200', 'served 200'],
    allowedMsat: 10_000n,
  },
  {
    name: 'is paid by a wallet that withholds the preimage',
    http: (asked, response, scene) => (asked.paid ? response.end('sunny') : charge(response, scene)),
    wallet: 'unproven',
    ends: ['paid_unproven', 'paid_unproven'],
    allowedMsat: 10_000n,
  },
  {
    name: 'is paid by a wallet whose preimage is a lie: it is not believed',
    http: (asked, response, scene) => (asked.paid ? response.end('sunny') : charge(response, scene)),
    wallet: 'wrong preimage',
    // The sandbox's own wallet sees the lie before the purse does.
    ends: [/^(paid_unproven|payment_unknown)$/, /^(paid_unproven|payment_unknown)$/],
    allowedMsat: 10_000n,
    check: (scene) => {
      if (scene.asked.some(({ paid }) => paid)) throw new Error('a credential without proof was sent')
    },
  },
  {
    name: 'cannot be paid: the same invoice may be tried again, and costs nothing',
    http: (asked, response, scene) => (asked.paid ? response.end('sunny') : charge(response, scene)),
    wallet: 'failed',
    ends: ['payment_failed', 'payment_failed'],
  },
  {
    name: 'opens for any path with a token it then refuses everywhere: one purchase a path at most',
    http: (asked, response, scene) =>
      asked.paid && asked.target !== '/1'
        ? charge(response, scene)
        : asked.paid
          ? response.end('sunny')
          : charge(response, scene),
    url: (scene) => `${scene.main}/${scene.asked.length === 0 ? 1 : 2}`,
    ends: ['served 200', 'not_served 402', 'not_served 402'],
    allowedMsat: 20_000n,
  },
  {
    name: 'charges for HEAD what it then charges for GET',
    http: (_, response, scene) => charge(response, scene),
    init: { method: 'HEAD' },
    flags: ['-I'],
    ends: ['not_served 402', 'not_served 402'],
    allowedMsat: 10_000n,
  },
  {
    name: 'wants to be paid for POST, and pays nothing back: the body is sent unchanged',
    http: (asked, response, scene) => (asked.paid ? response.end('sunny') : charge(response, scene)),
    init: { method: 'POST', body: 'a=1&b=\u00e9', headers: { 'content-type': 'text/plain' } },
    flags: ['-d', 'a=1&b=\u00e9', '-H', 'content-type: text/plain'],
    ends: ['served 200'],
    allowedMsat: 10_000n,
    check: (scene) => {
      const [one, two] = scene.asked
      if (!one || !two || !one.body.equals(two.body) || one.body.length === 0)
        throw new Error('the body differs')
    },
  },
]
