/** Invoices and challenges that must not be paid, or must not cost more than they say (rules C1, C2). */

import type { Attack } from './attack.ts'
import { type Asked, type ChallengePlan, charge, demand, headerOf, perPath, type Scene } from './scene.ts'

const now = (): number => Math.floor(Date.now() / 1000)
const refuses = (name: string, reason: string, plan: ChallengePlan | (() => ChallengePlan)): Attack => ({
  name,
  http: (_, response, scene) => charge(response, scene, typeof plan === 'function' ? plan() : plan),
  ends: [reason as Attack['ends'][number]],
})
const says = (
  name: string,
  end: Attack['ends'][number],
  header: (scene: Scene) => string | readonly string[],
): Attack => ({
  name,
  http: (_, response, scene) => demand(response, header(scene)),
  ends: [end],
})
/** Pays honestly what it is charged, after an odd challenge. */
const serves =
  (odd: (asked: Asked, scene: Scene) => string | readonly string[]): NonNullable<Attack['http']> =>
  (asked, response, scene) =>
    asked.paid ? response.end('sunny') : demand(response, odd(asked, scene))

/** Flips one letter of the text, keeping its length. */
const flipped = (text: string, at: number): string => {
  const i = at < 0 ? text.length + at : at
  return text.slice(0, i) + (text[i] === 'q' ? 'p' : 'q') + text.slice(i + 1)
}
const BTC = 100_000_000_000n
const distinct = (): ((scene: Scene) => string) => {
  let calls = 0
  return (scene) => `${scene.main}/${calls++}`
}

export const invoiceAttacks: readonly Attack[] = [
  refuses('asks for two whole bitcoin, which have no multiplier', 'refused over_budget', {
    amountMsat: 2n * BTC,
  }),
  refuses('asks for 25 bitcoin', 'refused over_budget', { amountMsat: 25n * BTC }),
  refuses('asks for all the bitcoin there will ever be', 'refused over_budget', {
    amountMsat: 21_000_000n * BTC,
  }),
  refuses('names no amount', 'unpayable no_amount', { amountMsat: null }),
  refuses('asks for the limit, which leaves nothing for its fee', 'refused over_budget', {
    amountMsat: 1_000_000n,
  }),
  refuses('asks for one millisatoshi too much', 'refused over_budget', { amountMsat: 990_100n }),
  {
    ...refuses('asks for 999 msat over --max, which whole satoshis would hide', 'refused over_max', {
      amountMsat: 10_999n,
    }),
    options: { maxMsat: 11_998n },
    flags: ['--max', '11998msat'],
  },
  refuses('wants mainnet bitcoin of a test wallet', 'unpayable wrong_network', { network: 'mainnet' }),
  refuses('wants signet bitcoin', 'unpayable wrong_network', { network: 'signet', amountMsat: BTC }),
  refuses('wants testnet bitcoin', 'unpayable wrong_network', { network: 'testnet' }),
  refuses('sends an invoice that ended years ago', 'unpayable expired', { timestamp: 1_500_000_000 }),
  refuses('sends an invoice that ends in five seconds', 'unpayable expired', () => ({
    timestamp: now(),
    expirySeconds: 5,
  })),
  refuses('sells a credential that has ended', 'unpayable expired', {
    caveats: ['services=shop:0', 'shop_valid_until=1500000000'],
  }),
  refuses('binds the macaroon to another payment', 'unpayable hash_mismatch', { otherHash: true }),
  refuses('requires an unknown feature of the payer', 'unpayable malformed', { features: [8, 14, 150] }),
  says('breaks the invoice’s checksum', 'unpayable malformed', (scene) => {
    const { macaroon, invoice } = scene.challenge()
    return headerOf({ macaroon, invoice: flipped(invoice, -1) })
  }),
  says('changes the amount of a signed invoice', 'unpayable malformed', (scene) => {
    const { macaroon, invoice } = scene.challenge()
    return headerOf({ macaroon, invoice: invoice.replace(/^lnbcrt[^1]*1/, 'lnbcrt1m1') })
  }),
  says('sends an invoice of 8,000 letters', 'unpayable malformed', (scene) => {
    const { macaroon } = scene.challenge()
    return headerOf({ macaroon, invoice: `lnbcrt100n1${'q'.repeat(8000)}` })
  }),
  says('sends a Lightning address for an invoice', 'unpayable malformed', (scene) =>
    headerOf({ macaroon: scene.challenge().macaroon, invoice: 'mallory@example.com' }),
  ),
  says('sends an on-chain address for an invoice', 'unpayable malformed', (scene) =>
    headerOf({
      macaroon: scene.challenge().macaroon,
      invoice: 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080',
    }),
  ),
  says('sends no macaroon', 'unpayable malformed', (scene) => `L402 invoice="${scene.challenge().invoice}"`),
  says('sends no invoice', 'unpayable malformed', (scene) => `L402 macaroon="${scene.challenge().macaroon}"`),
  says('sends an empty macaroon', 'unpayable malformed', (scene) =>
    headerOf({ macaroon: '', invoice: scene.challenge().invoice }),
  ),
  says(
    'sends a macaroon too long for any header',
    'unpayable malformed',
    (scene) => `L402 macaroon="${'A'.repeat(13_000)}", invoice="${scene.challenge().invoice}"`,
  ),
  says('sends a macaroon that would split the header it is sent back in', 'unpayable malformed', (scene) =>
    headerOf({ macaroon: 'AAAA\tX-Injected: 1', invoice: scene.challenge().invoice }),
  ),
  says('sends a macaroon with a colon, comma and spaces in it', 'unpayable malformed', (scene) =>
    headerOf({ macaroon: 'AAAA:00, Basic eA==', invoice: scene.challenge().invoice }),
  ),
  says('names two macaroons in one challenge', 'unpayable malformed', (scene) => {
    const [one, two] = [scene.challenge(), scene.challenge()]
    return `L402 macaroon="${one.macaroon}", token="${two.macaroon}", invoice="${one.invoice}"`
  }),
  says('names two invoices in one challenge', 'unpayable malformed', (scene) => {
    const [one, two] = [scene.challenge(), scene.challenge({ amountMsat: 900_000n })]
    return `L402 macaroon="${one.macaroon}", invoice="${one.invoice}", invoice="${two.invoice}"`
  }),
  says(
    'never closes its quotes',
    'unpayable malformed',
    (scene) => `L402 macaroon="${scene.challenge().macaroon}, invoice=`,
  ),
  says('sends ten thousand backslashes', /^unpayable/, () => `L402 macaroon="${'\\'.repeat(10_000)}"`),
  says(
    'sends a price in a Payment challenge only',
    'unpayable malformed',
    () => 'Payment id="x", realm="r", method="lightning", intent="charge", request="eyJhbW91bnQiOiIxIn0"',
  ),
  {
    name: 'says 1 sat in a Payment challenge and asks for 2 BTC in the invoice',
    http: (_, response, scene) =>
      demand(response, [
        headerOf(scene.challenge({ amountMsat: 2n * BTC })),
        'Payment id="x", realm="r", method="lightning", intent="charge", request="eyJhbW91bnQiOiIxIn0"',
      ]),
    ends: ['refused over_budget'],
  },
  {
    name: 'says 1 sat in the body and asks for 2 BTC in the header',
    http: (_, response, scene) => {
      const { macaroon, invoice } = scene.challenge({ amountMsat: 2n * BTC })
      demand(response, headerOf({ macaroon, invoice }), {
        headers: { 'content-type': 'application/json', 'x-price-sats': '1' },
        body: JSON.stringify({ macaroon, invoice, priceSats: 1, priceMsat: '1000' }),
      })
    },
    ends: ['refused over_budget'],
  },
  {
    name: 'says -5 sat in the body and in parameters',
    http: (_, response, scene) => {
      const header = `${headerOf(scene.challenge({ amountMsat: BTC }))}, amount="-5", price="0", maxAmount="0"`
      demand(response, header, { body: '{"priceSats":-5}' })
    },
    ends: ['refused over_budget'],
  },
  {
    name: 'shows its challenge in the body only',
    http: (_, response, scene) =>
      response.writeHead(402, { 'content-type': 'application/json' }).end(JSON.stringify(scene.challenge())),
    ends: ['unpayable no_challenge'],
  },
  {
    name: 'offers a challenge nobody can pay beside one for the same price: one is paid',
    http: serves((_, scene) => [headerOf(scene.challenge({ otherHash: true })), headerOf(scene.challenge())]),
    ends: ['served 200'],
    allowedMsat: 10_000n,
  },
  {
    name: 'offers a hundred challenges: one is paid',
    http: serves((_, scene) => Array.from({ length: 20 }, () => headerOf(scene.challenge()).slice(0, 560))),
    ends: [/^(served 200|unpayable malformed)$/],
    allowedMsat: 10_000n,
  },
  {
    name: 'offers LSAT at twice the price beside L402',
    http: serves((_, scene) => [
      headerOf(scene.challenge({ amountMsat: 20_000n })).replace('L402', 'LSAT'),
      headerOf(scene.challenge()),
    ]),
    ends: ['served 200'],
    allowedMsat: 10_000n,
  },
  {
    name: 'sends a token that is no macaroon: it is bought as it is',
    http: serves((_, scene) => headerOf({ macaroon: 'not.a.macaroon', invoice: scene.challenge().invoice })),
    ends: ['served 200'],
    allowedMsat: 10_000n,
  },
  {
    name: 'writes terminal commands into the invoice’s description',
    http: (_, response, scene) =>
      charge(response, scene, { description: '\u001b]0;owned\u0007\u202e\u001b[2J', amountMsat: 2n * BTC }),
    ends: ['refused over_budget'],
  },
  {
    name: 'asks a buyer who said that nothing is to be paid',
    http: (_, response, scene) => charge(response, scene),
    ends: ['refused no_pay'],
    options: { noPay: true },
    flags: ['--no-pay'],
  },
  {
    name: 'asks a buyer whose limit is zero, which is not "no limit"',
    http: (_, response, scene) => charge(response, scene),
    ends: ['refused no_pay'],
    options: { maxMsat: 0n },
    flags: ['--max', '0'],
  },
  {
    name: 'asks for little, very often: the hour’s limit holds',
    http: perPath({ amountMsat: 900_000n }),
    url: distinct(),
    ends: [...Array<'served 200'>(11).fill('served 200'), 'refused over_budget', 'refused over_budget'],
    allowedMsat: 9_900_000n,
    flags: null,
  },
  {
    name: 'asks thirty callers at once: together they keep the hour’s limit',
    http: perPath({ amountMsat: 900_000n }),
    url: distinct(),
    ends: Array<RegExp>(30).fill(/^(served 200|refused over_budget)$/),
    atOnce: true,
    allowedMsat: 9_900_000n,
    flags: null,
    check: (scene) => {
      if (scene.wallet.ledger.length !== 11) throw new Error(`${scene.wallet.ledger.length} payments, not 11`)
    },
  },
]
