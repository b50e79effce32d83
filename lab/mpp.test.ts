/**
 * The Payment scheme between this project and npm's `mppx`, in both directions, with real payments on sandbox Lightning:
 * `npm run lab -- mpp`. What sells by the scheme alone is mppx itself, or the gateway without its L402 line.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { encodeHex } from '@turnpike/l402'
import { type FetchOutcome, outcomeOf, type PurseStore, payingFetch } from '@turnpike/l402/client'
import { type Sandbox, sandboxLightning, sandboxRoutes } from '@turnpike/l402/lightning/sandbox'
import { sandboxWallet } from '@turnpike/l402/lightning/sandbox-wallet'
import {
  decodeJsonObject,
  encodeJson,
  formatPaymentChallenge,
  formatPaymentCredential,
  type JsonObject,
  type PaymentChallenge,
  parsePaymentChallenges,
} from '@turnpike/l402/payment-scheme'
import { memoryPurse } from '@turnpike/l402/purse/memory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newBuyer } from '../packages/fare/test/support/fare.ts'
import { cleanUp, type Program, start } from '../packages/gateway/test/e2e/program.ts'
import { changing, invoiceMaker, listen, type Spoil, startMppxSeller } from './lib/clients/mppx-seller.ts'
import { type Installed, installClient, published } from './lib/clients/published.ts'
import { runProgram } from './lib/programs.ts'

const client = published.find(({ script }) => script === 'mppx.mjs')
if (client === undefined) throw new Error('expected mppx among the published clients')
const mppx: Installed = installClient(client)
const suite = mppx.ok ? client.title : `SKIPPED: ${client.title} (${mppx.why})`

interface Seller {
  readonly url: string
  /** Where play money for it comes from. */
  readonly wallet: string
}

let gateway: Program
let lightning: Sandbox
const sellers: Record<string, Seller> = {}
const closers: (() => unknown)[] = []

async function serve(handle: (req: IncomingMessage, res: ServerResponse) => unknown): Promise<string> {
  const { url, server } = await listen(handle)
  closers.push(() => close(server))
  return url
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => void server.close(() => resolve()))
}

const paymentOnly: Spoil = (lines) => lines.filter((line) => line.startsWith('Payment '))

beforeAll(async () => {
  gateway = await start({
    top: 'paymentScheme: always',
    routes: [
      '{ match: "/forecast/bergen", price: 10 sat, grants: { calls: 3 } }',
      '{ match: "/forecast/*", price: 10 sat }',
    ],
  })
  const wallet = gateway.admin
  sellers['the gateway without L402'] = { url: await serve(changing(gateway.url, paymentOnly)), wallet }
  if (!mppx.ok) return
  lightning = await sandboxLightning()
  closers.push(() => lightning.close())
  const invoices = await serve(invoiceMaker(lightning))
  const own = await serve(walletOf(lightning))
  for (const header of [false, true]) {
    const seller = await startMppxSeller(mppx, { invoices, header })
    closers.push(() => seller.stop())
    sellers[header ? 'mppx with a header of its own' : 'mppx'] = { url: seller.url, wallet: own }
  }
})
afterAll(async () => {
  for (const one of closers.reverse()) await one()
  await cleanUp()
})

/** The sandbox's wallet for other processes. */
function walletOf(backend: Sandbox) {
  const routes = sandboxRoutes(backend)
  return async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const answer = await routes(req.method ?? '', req.url ?? '', await text(req))
    res.writeHead(answer?.status ?? 404, { 'content-type': answer?.contentType ?? 'text/plain' })
    res.end(answer?.body ?? '')
  }
}

/** What the seller's node has got, in millisatoshi. */
async function earned({ wallet }: Seller): Promise<bigint> {
  const answer = await fetch(`${wallet}/sandbox/v1/balance`)
  return BigInt(((await answer.json()) as { sellerBalanceMsat: string }).sellerBalanceMsat)
}

function sellerOf(name: string): Seller {
  const seller = sellers[name]
  if (seller === undefined) throw new Error(`${name} does not run`)
  return seller
}

/** What a face of the purse did, in one word each. */
interface Bought {
  readonly end: string
  readonly status: number | null
  readonly body: string
  readonly receipt: string | null
}

/** A way to buy. */
interface Face {
  get(url: string, init?: RequestInit): Promise<Bought>
  inPurse<T>(look: (purse: PurseStore) => Promise<T>): Promise<T>
}

function library({ wallet }: Seller): Face {
  const purse = memoryPurse()
  const fetch = payingFetch({ wallet: sandboxWallet({ url: wallet }), purse })
  return {
    async get(url, init) {
      const response = await fetch(url, init).catch(
        (error: { details?: { kind: string; reason: string } }) => error,
      )
      if (!(response instanceof Response)) {
        const { kind, reason } = response.details ?? { kind: 'threw', reason: '' }
        return { end: `${kind} ${reason}`, status: null, body: '', receipt: null }
      }
      const outcome = outcomeOf(response) as FetchOutcome
      const reason = 'reason' in outcome ? ` ${outcome.reason}` : ''
      const receipt = outcome.kind === 'served' ? (outcome.receipt?.reference ?? null) : null
      return { end: outcome.kind + reason, status: response.status, body: await response.text(), receipt }
    },
    inPurse: (look) => look(purse),
  }
}

function program({ wallet }: Seller): Face {
  const buyer = newBuyer(wallet)
  return {
    async get(url, init = {}) {
      const headers = Object.entries((init.headers ?? {}) as Record<string, string>)
      const more = init.method === 'POST' ? ['-d', String(init.body)] : []
      const report = await buyer.report(...headers.flatMap(([k, v]) => ['-H', `${k}: ${v}`]), ...more, url)
      const end = report.error?.reason ? `${report.outcome} ${report.error.reason}` : report.outcome
      const shown = (report as unknown as { headers: Record<string, string> | null }).headers
      const line = shown?.['payment-receipt']
      const receipt = line === undefined ? null : String(decodeJsonObject(line)?.['reference'])
      return { end, status: report.status, body: report.body ?? '', receipt }
    },
    inPurse: buyer.inPurse,
  }
}

const FACES = [
  ['payingFetch', library],
  ['fare get', program],
] as const
const OTHERS = mppx.ok ? ['mppx', 'mppx with a header of its own'] : []

describe(suite, () => {
  describe.skipIf(!mppx.ok)('buys from the gateway', () => {
    it.each([
      ['/forecast/oslo', 'one call'],
      ['/forecast/bergen', 'the first call of a bundle'],
    ])('%s: %s, for one payment', async (path) => {
      if (!mppx.ok) return
      const seller = { url: gateway.url, wallet: gateway.admin }
      const before = await earned(seller)
      const buying = [...mppx.args, gateway.url + path, `${gateway.admin}/sandbox/v1/pay`]
      const { out, err, code } = await runProgram(mppx.command, buying)
      expect(code, err).toBe(0)
      expect(JSON.parse(out)).toMatchObject({ status: 200, paid: 1 })
      expect((await earned(seller)) - before).toBe(10_000n)
    })
  })
})

describe.each([...OTHERS, 'the gateway without L402'])('from %s', (name) => {
  describe.each(FACES)('%s', (_, face) => {
    it('buys a call for one payment, reads the receipt, and buys the next one anew', async () => {
      const seller = sellerOf(name)
      const { get, inPurse } = face(seller)
      const before = await earned(seller)
      const first = await get(`${seller.url}/forecast/oslo`)
      expect(first).toMatchObject({ end: 'served', status: 200 })
      expect(first.body).toContain('"sky":')
      expect((await earned(seller)) - before).toBe(10_000n)
      const [payment] = await inPurse((purse) => purse.payments(1))
      expect(payment).toMatchObject({ state: 'settled', served: 'redeemed', amountMsat: 10_000n })
      expect(first.receipt).toBe(encodeHex(payment?.paymentHash ?? new Uint8Array()))
      expect(await get(`${seller.url}/forecast/oslo`)).toMatchObject({ end: 'served' })
      expect((await earned(seller)) - before).toBe(20_000n)
    })

    it('buys with a body', async () => {
      const seller = sellerOf(name)
      const { get } = face(seller)
      const body = '{"city":"Oslo"}'
      expect(await get(`${seller.url}/forecast/oslo`, { method: 'POST', body })).toMatchObject({
        end: 'served',
      })
    })

    it('leaves the user’s own Authorization alone', async () => {
      const seller = sellerOf(name)
      const { get } = face(seller)
      const before = await earned(seller)
      const bought = await get(`${seller.url}/forecast/oslo`, { headers: { authorization: 'Bearer mine' } })
      const beside = name === 'mppx with a header of its own'
      expect(bought.end).toBe(beside ? 'served' : 'refused own_authorization')
      if (beside) expect(bought.body).toContain('"own":"Bearer mine"')
      expect((await earned(seller)) - before).toBe(beside ? 10_000n : 0n)
    })
  })
})

/** A change of the challenge itself; its id stays, so that no honest server could have made it. */
function altered(change: (challenge: PaymentChallenge) => PaymentChallenge): Spoil {
  return (lines) =>
    parsePaymentChallenges(paymentOnly(lines)).map(({ doubtful, ...challenge }) =>
      formatPaymentChallenge(change(challenge)),
    )
}

function requesting(change: (request: JsonObject) => JsonObject): Spoil {
  return altered((challenge) => ({
    ...challenge,
    request: encodeJson(change(decodeJsonObject(challenge.request) ?? {})),
  }))
}

const detailed = (members: JsonObject): Spoil =>
  requesting((request) => ({
    ...request,
    methodDetails: { ...(request['methodDetails'] as JsonObject), ...members },
  }))

/** What is done to every challenge, how it ends, and how many payments it may cost. */
const LIES: readonly (readonly [string, string, Spoil])[] = [
  ['a tenth of the price', 'unpayable amount_mismatch', requesting((one) => ({ ...one, amount: '1' }))],
  ['ten times the price', 'unpayable amount_mismatch', requesting((one) => ({ ...one, amount: '100' }))],
  ['another currency', 'unpayable malformed', requesting((one) => ({ ...one, currency: 'usd' }))],
  ['another payment hash', 'unpayable hash_mismatch', detailed({ paymentHash: '00'.repeat(32) })],
  ['another network', 'unpayable wrong_network', detailed({ network: 'mainnet' })],
  [
    'an end in the past',
    'unpayable expired',
    altered((one) => ({ ...one, expires: '2020-01-01T00:00:00Z' })),
  ],
  ['two realms', 'unpayable malformed', (lines) => paymentOnly(lines).map((line) => `${line}, realm="b"`)],
  ['a session', 'unpayable no_challenge', altered((one) => ({ ...one, intent: 'session' }))],
]

describe.each(FACES)('lied to, %s', (_, face) => {
  it.each(LIES)('pays nothing for %s', async (_, end, spoil) => {
    const seller = { url: await serve(changing(gateway.url, spoil)), wallet: gateway.admin }
    const before = await earned(seller)
    const { get, inPurse } = face(seller)
    expect((await get(`${seller.url}/forecast/oslo`)).end).toBe(end)
    expect((await earned(seller)) - before).toBe(0n)
    expect((await inPurse((purse) => purse.spent())).totalMsat).toBe(0n)
  })

  it('pays once, and never again, where the realm is not the seller’s and so nothing is served', async () => {
    const spoil = altered((one) => ({ ...one, realm: 'elsewhere.example' }))
    const seller = { url: await serve(changing(gateway.url, spoil)), wallet: gateway.admin }
    const before = await earned(seller)
    const { get } = face(seller)
    expect(await get(`${seller.url}/forecast/oslo`)).toMatchObject({ end: 'not_served', status: 402 })
    expect(await get(`${seller.url}/forecast/oslo`)).toMatchObject({ end: 'not_served', status: 402 })
    expect((await earned(seller)) - before).toBe(10_000n)
  })

  it('pays no invoice twice that a server shows again', async () => {
    let kept: readonly string[] | undefined
    const seller = {
      url: await serve(
        changing(gateway.url, (lines) => {
          kept ??= paymentOnly(lines)
          return kept
        }),
      ),
      wallet: gateway.admin,
    }
    const before = await earned(seller)
    const { get } = face(seller)
    expect(await get(`${seller.url}/forecast/oslo`)).toMatchObject({ end: 'served' })
    expect(await get(`${seller.url}/forecast/oslo`)).toMatchObject({ end: 'unpayable already_used' })
    expect((await earned(seller)) - before).toBe(10_000n)
  })
})

describe('a credential of the scheme', () => {
  async function bought(): Promise<{
    readonly line: string
    readonly challenge: PaymentChallenge
    readonly preimage: string
  }> {
    const answer = await fetch(`${gateway.url}/forecast/oslo`)
    const [found] = parsePaymentChallenges([answer.headers.get('www-authenticate') ?? ''])
    if (found === undefined) throw new Error('expected a Payment challenge')
    const { doubtful, ...challenge } = found
    const { methodDetails } = decodeJsonObject(challenge.request) as { methodDetails: JsonObject }
    const paid = await fetch(`${gateway.admin}/sandbox/v1/pay`, {
      method: 'POST',
      body: JSON.stringify({ invoice: methodDetails['invoice'] }),
    })
    const { preimage } = (await paid.json()) as { preimage: string }
    return { line: formatPaymentCredential({ challenge, payload: { preimage } }), challenge, preimage }
  }
  const present = async (url: string, line: string): Promise<readonly [number, string]> => {
    const answer = await fetch(`${url}/forecast/oslo`, { headers: { authorization: line } })
    const body = (await answer.json()) as { type?: string }
    return [answer.status, (body.type ?? '').replace('https://paymentauth.org/problems/', '')]
  }

  it('opens once, and is refused when it comes again or names another realm', async () => {
    const { line, challenge, preimage } = await bought()
    const foreign = formatPaymentCredential({
      challenge: { ...challenge, realm: 'elsewhere.example' },
      payload: { preimage },
    })
    expect(await present(gateway.url, foreign)).toEqual([402, 'lightning/unknown-challenge'])
    expect((await present(gateway.url, line))[0]).toBe(200)
    expect(await present(gateway.url, line)).toEqual([402, 'lightning/unknown-challenge'])
  })
})
