/**
 * Every form that deployed servers write their challenge in, against the purse: `npm run lab -- purse-forms`. Each is
 * bought from with `payingFetch` and with the real `fare get`, for exactly its price and in two requests.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { closeFaces, endureFare, endureFetch } from './lib/purse/faces.ts'
import { type Challenge, demand, openScene } from './lib/purse/scene.ts'
import { type Spendthrift, startSpendthrift } from './lib/purse/wallet.ts'

const PAYMENT = 'Payment id="x", realm="r", method="lightning", intent="charge", request="eyJhIjoxfQ"'
/** A charge that could be paid too. */
const charged = (invoice: string): string => {
  const request = { amount: '10', currency: 'sat', methodDetails: { invoice, network: 'regtest' } }
  const text = Buffer.from(JSON.stringify(request)).toString('base64url')
  return `Payment id="x", realm="r", method="lightning", intent="charge", request="${text}"`
}
const urlSafe = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_')

/** A macaroon of version 1 as ngx_l402 makes it: packets, an identifier of 32 bytes, url-safe. */
function packets(): string {
  const packet = (name: string, value: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(`${name} `), value, Buffer.from('\n')])
    return Buffer.concat([Buffer.from((body.length + 4).toString(16).padStart(4, '0')), body])
  }
  const bytes = (fill: number): Buffer => Buffer.alloc(32, fill)
  const all = [
    packet('location', Buffer.from('ngx')),
    packet('identifier', bytes(1)),
    packet('signature', bytes(2)),
  ]
  return Buffer.concat(all).toString('base64url')
}
const KIT_TOKEN = Buffer.from('{"hash":"00","exp":4102444800}').toString('base64')
const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl'

/** Name, and the field lines. */
const FORMS: readonly (readonly [string, (challenge: Challenge) => string | readonly string[]])[] = [
  ['Aperture of old: LSAT alone', ({ macaroon: m, invoice: i }) => `LSAT macaroon="${m}", invoice="${i}"`],
  [
    'Aperture: LSAT, then L402, as two lines',
    ({ macaroon: m, invoice: i }) => [
      `LSAT macaroon="${m}", invoice="${i}"`,
      `L402 macaroon="${m}", invoice="${i}"`,
    ],
  ],
  [
    'Aperture of today: version without a comma after it',
    ({ macaroon: m, invoice: i }) => `L402 version="0" macaroon="${m}", invoice="${i}"`,
  ],
  [
    'paygate: both names after the version, and a Payment line',
    ({ macaroon: m, invoice: i }) => [
      `L402 version="0", token="${m}", macaroon="${m}", invoice="${i}"`,
      PAYMENT,
    ],
  ],
  [
    'toll: other schemes behind it in one line',
    ({ macaroon: m, invoice: i }) =>
      `L402 macaroon="${m}", invoice="${i}", X-Cashu mint="https://mint.example", Payment id="1", realm="r", method="tempo", intent="charge", request="e30"`,
  ],
  ['ngx_l402: packets of version 1', ({ invoice: i }) => `L402 macaroon="${packets()}", invoice="${i}"`],
  ['l402-kit: a token of JSON', ({ invoice: i }) => `L402 macaroon="${KIT_TOKEN}", invoice="${i}"`],
  [
    'Alby’s server helper: a token that is a JWT',
    ({ invoice: i }) => `L402 macaroon="${JWT}", invoice="${i}"`,
  ],
  [
    'a Payment line of its own invoice first, L402 second',
    ({ macaroon: m, invoice: i }) => [charged(i), `L402 macaroon="${m}", invoice="${i}"`],
  ],
  ['the plain form', ({ macaroon: m, invoice: i }) => `L402 macaroon="${m}", invoice="${i}"`],
  [
    'the specification: version, token, invoice',
    ({ macaroon: m, invoice: i }) => `L402 version="0", token="${m}", invoice="${i}"`,
  ],
  [
    'version first, macaroon kept',
    ({ macaroon: m, invoice: i }) => `L402 version="0", macaroon="${m}", invoice="${i}"`,
  ],
  [
    'this project: both names',
    ({ macaroon: m, invoice: i }) => `L402 macaroon="${m}", invoice="${i}", version="0", token="${m}"`,
  ],
  ['the invoice first', ({ macaroon: m, invoice: i }) => `L402 invoice="${i}", macaroon="${m}"`],
  ['a realm first', ({ macaroon: m, invoice: i }) => `L402 realm="x, y", macaroon="${m}", invoice="${i}"`],
  ['values without quotes', ({ macaroon: m, invoice: i }) => `L402 macaroon=${m}, invoice=${i}`],
  ['no space after the comma', ({ macaroon: m, invoice: i }) => `L402 macaroon="${m}",invoice="${i}"`],
  ['the scheme in small letters', ({ macaroon: m, invoice: i }) => `l402 macaroon="${m}", invoice="${i}"`],
  [
    'a Payment line first',
    ({ macaroon: m, invoice: i }) => [PAYMENT, `L402 macaroon="${m}", invoice="${i}"`],
  ],
  [
    'a Payment line second',
    ({ macaroon: m, invoice: i }) => [`L402 macaroon="${m}", invoice="${i}"`, PAYMENT],
  ],
  ['all in one line', ({ macaroon: m, invoice: i }) => `L402 macaroon="${m}", invoice="${i}", ${PAYMENT}`],
  [
    'Basic and Bearer before it, in one line',
    ({ macaroon: m, invoice: i }) => `Basic realm="a", Bearer, L402 macaroon="${m}", invoice="${i}"`,
  ],
  [
    'a macaroon in url-safe letters without padding',
    ({ macaroon: m, invoice: i }) => `L402 macaroon="${urlSafe(m).replaceAll('=', '')}", invoice="${i}"`,
  ],
  [
    'an invoice in capitals',
    ({ macaroon: m, invoice: i }) => `L402 macaroon="${m}", invoice="${i.toUpperCase()}"`,
  ],
  [
    'escaped letters in the quotes',
    ({ macaroon: m, invoice: i }) => `L402 macaroon="${m}", invoice="\\${i}", note="a \\"b\\", c"`,
  ],
]

let wallet: Spendthrift
beforeAll(async () => {
  wallet = await startSpendthrift()
})
beforeEach(() => wallet.reset())
afterAll(async () => {
  await wallet.close()
  await closeFaces()
})

describe.each([
  ['payingFetch', endureFetch],
  ['fare get', endureFare],
] as const)('%s buys from a server that writes', (_, endure) => {
  it.each(FORMS)('%s', async (name, form) => {
    let macaroon = ''
    const scene = await openScene(wallet, {
      http: (asked, response, here) => {
        if (asked.paid) return response.end('sunny')
        const challenge = here.challenge()
        const header = form(challenge)
        macaroon = /(?:macaroon|token)="?([^",]+)/.exec([header].flat().join())?.[1] ?? ''
        return demand(response, header)
      },
    })
    try {
      const { ends } = await endure({ name, ends: ['served 200'], allowedMsat: 10_000n }, scene)
      expect(ends).toEqual(['served 200'])
      expect(wallet.ledger.map(({ amountMsat }) => amountMsat)).toEqual([10_000n])
      expect(scene.asked.map(({ paid }) => paid)).toEqual([false, true])
      const [hash] = wallet.ledger
      const preimage = Buffer.from(wallet.preimages.get(hash?.paymentHash ?? '') ?? []).toString('hex')
      // The macaroon as it was received, the preimage in small letters.
      expect(scene.asked[1]?.headers.authorization).toBe(`L402 ${macaroon}:${preimage}`)
    } finally {
      await scene.close()
    }
  })
})
