/** Core Lightning's clnrest as its documentation describes it: fixture only. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeConformance } from '../../../test/support/conformance.ts'
import {
  payInMemory,
  type StubAnswer,
  type StubNode,
  type StubRequest,
  startStub,
} from '../../../test/support/stub-node.ts'
import { decodeUnverifiedInvoice } from '../../core/bolt11/index.ts'
import { decodeHex, encodeHex } from '../../core/bytes.ts'
import type { MemoryLightning } from '../memory.ts'
import { cln, clnWallet } from './index.ts'

const SELLER = `${'s'.repeat(60)}=`
const PAYER = `${'p'.repeat(60)}=`
const WATCHER = `${'w'.repeat(60)}=`
const SELLS = ['getinfo', 'invoice', 'listinvoices', 'delinvoice', 'waitanyinvoice', 'wait']
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  [SELLER]: SELLS,
  [`${'e'.repeat(60)}=`]: [...SELLS, 'xpay'],
  ...Object.fromEntries(SELLS.map((one, at) => [lacking(at), SELLS.filter((method) => method !== one)])),
  [WATCHER]: [...SELLS, 'listpeerchannels'],
  [PAYER]: ['getinfo', 'xpay', 'listpays', 'listpeerchannels'],
}

function lacking(at: number): string {
  return `${String(at).repeat(60)}=`
}

/** What the stub remembers beside Lightning in memory. */
class Node {
  readonly #invoices = new Map<
    string,
    { readonly label: string; readonly bolt11: string; pay_index?: number }
  >()
  #paid: string[] = []
  /** The invoice that was asked for last. */
  asked: StubRequest['body'] = {}

  readonly answer = async (request: StubRequest, lightning: MemoryLightning): Promise<StubAnswer> => {
    const { path, headers, body, method } = request
    const name = path.replace('/v1/', '')
    const allowed = ALLOWED[String(headers['rune'])]
    if (allowed === undefined)
      return { status: 403, json: { code: 1501, message: 'Not authorized: invalid rune' } }
    if (!allowed.includes(name))
      return { status: 401, json: { code: 1502, message: 'Not permitted: method not allowed' } }
    if (method !== 'POST') return { status: 405, json: {} }
    const json = await this.#call(name, body, lightning)
    return 'code' in json ? { status: 500, json } : { status: 201, json }
  }

  async #call(
    name: string,
    body: StubRequest['body'],
    lightning: MemoryLightning,
  ): Promise<Record<string, unknown>> {
    const hash = String(body['payment_hash'] ?? '')
    await this.#notePaid(lightning)
    switch (name) {
      case 'getinfo':
        return { id: '02', network: 'regtest' }
      case 'invoice': {
        if (body['label'] === undefined) return { code: -32602, message: 'missing required parameter: label' }
        this.asked = body
        const made = await lightning.createInvoice({
          amountMsat: BigInt(Number(body['amount_msat'])),
          memo: String(body['description']),
          expirySeconds: Number(body['expiry']),
        })
        const payment_hash = encodeHex(made.paymentHash)
        this.#invoices.set(payment_hash, { label: String(body['label']), bolt11: made.invoice })
        return { payment_hash, bolt11: made.invoice, expires_at: made.expiresAt }
      }
      case 'listinvoices':
        return {
          invoices: await this.#list(
            body['index'] === undefined ? [hash] : [...this.#invoices.keys()],
            lightning,
          ),
        }
      case 'delinvoice':
        for (const [key, { label }] of this.#invoices) if (label === body['label']) this.#invoices.delete(key)
        return {}
      case 'wait':
        return { subsystem: 'invoices', updated: this.#paid.length }
      case 'waitanyinvoice':
        if (typeof body['lastpay_index'] !== 'number')
          return { code: -32602, message: 'lastpay_index: invalid' }
        return await this.#next(Number(body['lastpay_index']), lightning)
      case 'xpay': {
        const invoice = String(body['invstring'])
        if (invoice === 'none') return { code: -32602, message: 'invstring: invalid' }
        const outcome = await payInMemory(lightning, invoice)
        if (outcome.status !== 'paid') return { code: 205, message: 'no route' }
        return { ...paidFields(invoice), payment_preimage: encodeHex(outcome.preimage) }
      }
      case 'listpays': {
        const outcome = await lightning.lookupPayment(decodeHex(hash) ?? new Uint8Array(32))
        if (outcome.status !== 'paid') return { pays: [] }
        const amount = { amount_msat: 10_000, amount_sent_msat: 10_000 }
        return { pays: [{ ...amount, status: 'complete', preimage: encodeHex(outcome.preimage) }] }
      }
      default:
        return {
          channels: [
            {
              state: 'CHANNELD_NORMAL',
              peer_connected: true,
              spendable_msat: Number(await lightning.balanceMsat()),
              receivable_msat: 2_000,
            },
            { state: 'CHANNELD_NORMAL', peer_connected: true, spendable_msat: 0, receivable_msat: 500 },
            { state: 'CHANNELD_NORMAL', peer_connected: false, spendable_msat: 0, receivable_msat: 7_000 },
            { state: 'CLOSINGD_COMPLETE', peer_connected: true, spendable_msat: 0, receivable_msat: 9_000 },
          ],
        }
    }
  }

  async #list(hashes: readonly string[], lightning: MemoryLightning): Promise<readonly unknown[]> {
    const listed: unknown[] = []
    for (const payment_hash of hashes) {
      const record = this.#invoices.get(payment_hash)
      if (record === undefined) continue
      const state = await lightning.lookupInvoice(decodeHex(payment_hash) ?? new Uint8Array(32))
      const status = { settled: 'paid', expired: 'expired' }[String(state)] ?? 'unpaid'
      const { expiresAt } = decodeUnverifiedInvoice(record.bolt11)
      const paidAt = this.#paid.indexOf(payment_hash)
      const index = paidAt < 0 ? {} : { pay_index: paidAt + 1 }
      listed.push({ payment_hash, label: record.label, status, expires_at: expiresAt, ...index })
    }
    return listed
  }

  async #notePaid(lightning: MemoryLightning): Promise<void> {
    for (const hash of this.#invoices.keys()) {
      const state = await lightning.lookupInvoice(decodeHex(hash) ?? new Uint8Array(32))
      if (state === 'settled' && !this.#paid.includes(hash)) this.#paid = [...this.#paid, hash]
    }
  }

  async #next(after: number, lightning: MemoryLightning): Promise<Record<string, unknown>> {
    for (let tries = 0; tries < 40; tries++) {
      await this.#notePaid(lightning)
      const payment_hash = this.#paid[after]
      const record = this.#invoices.get(payment_hash ?? '')
      if (payment_hash !== undefined && record !== undefined) {
        const { amountMsat } = decodeUnverifiedInvoice(record.bolt11)
        return {
          payment_hash,
          pay_index: after + 1,
          amount_received_msat: Number(amountMsat),
          status: 'paid',
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    return { code: 904, message: 'Timed out' }
  }
}

function paidFields(invoice: string): Record<string, unknown> {
  const amount = Number(decodeUnverifiedInvoice(invoice).amountMsat)
  return { amount_msat: amount, amount_sent_msat: amount }
}

describe('Core Lightning (fixture only)', () => {
  let stub: StubNode
  const node = new Node()
  beforeAll(async () => {
    stub = await startStub(node.answer)
  })
  afterAll(() => stub.close())

  describeConformance('as a seller', async ({ wrap }) => ({
    subject: 'invoices',
    invoices: await cln({ url: stub.url, rune: SELLER, fetch: wrap(fetch) }),
    payments: stub.lightning,
    sends: (url) => url.endsWith('/v1/invoice'),
    secrets: [SELLER],
    open: {
      wrongCredential: () => cln({ url: stub.url, rune: PAYER }),
      wrongNetwork: () => cln({ url: stub.url, rune: SELLER, network: 'mainnet' }),
      nobody: () => cln({ url: 'http://127.0.0.1:9', rune: SELLER }),
    },
    close: async () => {},
  }))

  describeConformance('as a wallet', async ({ wrap }) => ({
    subject: 'payments',
    invoices: stub.lightning,
    payments: await clnWallet({ url: stub.url, rune: PAYER, fetch: wrap(fetch) }),
    sends: (url) => url.endsWith('/v1/xpay'),
    secrets: [PAYER],
    open: {
      wrongCredential: () => clnWallet({ url: stub.url, rune: SELLER }),
      wrongNetwork: () => clnWallet({ url: stub.url, rune: PAYER, network: 'mainnet' }),
      nobody: () => clnWallet({ url: 'http://127.0.0.1:9', rune: PAYER }),
    },
    close: async () => {},
  }))

  it.each(SELLS)('names %s where the rune lacks it, and how to make one that does not', async (method) => {
    const rune = lacking(SELLS.indexOf(method))
    await expect(cln({ url: stub.url, rune })).rejects.toThrow(
      `refused the rune for ${method}: Not permitted: method not allowed; make one with: lightning-cli createrune restrictions='[[${SELLS.map((one) => `"method=${one}"`).join(',')}]]'`,
    )
  })

  it('warns a seller whose rune can also pay', async () => {
    expect((await cln({ url: stub.url, rune: `${'e'.repeat(60)}=` })).warnings?.[0]).toContain(
      'its rune can also pay',
    )
    expect((await cln({ url: stub.url, rune: SELLER })).warnings).toEqual([])
  })

  it('says what can be received over the channels that work, with a rune that allows to ask', async () => {
    expect(await (await cln({ url: stub.url, rune: WATCHER })).receivableMsat?.()).toBe(2_500n)
    expect(await (await cln({ url: stub.url, rune: SELLER })).receivableMsat?.()).toBeNull()
  })

  it.each([undefined, true, false])('asks for hints as it is told: %s', async (routeHints) => {
    const more = routeHints === undefined ? {} : { routeHints }
    const seller = await cln({ url: stub.url, rune: SELLER, ...more })
    await seller.createInvoice({ amountMsat: 1_000n, memo: 'x', expirySeconds: 60 })
    expect(node.asked['exposeprivatechannels']).toBe(routeHints)
  })
})
