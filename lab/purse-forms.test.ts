/**
 * Every form that deployed servers write their challenge in, against the purse: `npm run lab -- purse-forms`. Each is
 * bought from with `payingFetch` and with the real `fare get`, for exactly its price and in two requests.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { closeFaces, endureFare, endureFetch } from './lib/purse/faces.ts'
import { type Challenge, demand, openScene } from './lib/purse/scene.ts'
import { type Spendthrift, startSpendthrift } from './lib/purse/wallet.ts'

const PAYMENT = 'Payment id="x", realm="r", method="lightning", intent="charge", request="eyJhIjoxfQ"'
const urlSafe = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_')

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
