import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { challengeOf, testWallet } from '../../test/support/seller.ts'
import { encodeBase64, encodeHex } from '../core/bytes.ts'
import { L402Error } from '../core/errors.ts'
import type { PaymentOutcome } from '../lightning/backend.ts'
import { memoryPurse } from '../stores/purse-memory/index.ts'
import { buyer } from './buyer.ts'
import { payingFetch } from './paying-fetch.ts'
import { prepareRequest } from './prepare.ts'

const url = 'https://api.example.com/forecast'
const show = (value: unknown): string =>
  JSON.stringify(value, (_, one) => {
    if (one instanceof Error) return { ...one, message: one.message, stack: one.stack, cause: one.cause }
    return typeof one === 'bigint' ? String(one) : one
  }) ?? ''

describe('whatever a server says', () => {
  it('is an answer or a refusal, never a payment it did not earn', async () => {
    const { header } = challengeOf(new Map())
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom('L402 ', 'LSAT ', 'macaroon=', 'invoice=', '"', ',', '\\', 'AA==', 'lnbcrt1', '='),
      fc.nat(header.length).map((at) => header.slice(0, at)),
      fc.nat(header.length).map((at) => header.slice(at)),
    )
    const text = fc.array(piece, { maxLength: 8 }).map((parts) => parts.join('').replace(/[^\x20-\x7e]/g, ''))
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        const wallet = testWallet(new Map())
        const fetch = async () => new Response('', { status: 402, headers: { 'www-authenticate': value } })
        const outcome = await buyer({ wallet, purse: memoryPurse(), fetch }).fetch(await prepareRequest(url))
        // This wallet knows no invoice: all that may reach it is one that stands whole in the header.
        expect(['unpayable', 'payment_failed']).toContain(outcome.kind)
        expect(wallet.paid.every(({ invoice }) => value.includes(`"${invoice}"`))).toBe(true)
      }),
    )
  })
})

describe('whatever a wallet says', () => {
  it('is kept within the budget, never paid twice, and tells no secret (C3, C10)', async () => {
    const says = fc.constantFrom(
      'paid',
      'wrong',
      'unproven',
      'failed',
      'pending',
      'unknown',
      'throws',
      'absent',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(says, says), { minLength: 1, maxLength: 6 }), async (script) => {
        const secrets = new Map<string, Uint8Array>()
        const headers: string[] = []
        const wallet = testWallet(secrets)
        const purse = memoryPurse({ budget: { overall: { totalMsat: 33_000n }, hosts: {} } })
        const told: unknown[] = []
        const answer = (what: string, hash: string): PaymentOutcome => {
          const preimage = secrets.get(hash) ?? new Uint8Array()
          if (what === 'paid') return { status: 'paid', preimage, feeMsat: 1n }
          if (what === 'wrong') return { status: 'paid', preimage: preimage.slice(1), feeMsat: 1n }
          if (what === 'unproven') return { status: 'paid_unproven', feeMsat: 1n }
          if (what === 'failed') return { status: 'failed', detail: 'no route' }
          if (what === 'pending') return { status: 'pending' }
          if (what === 'unknown') return { status: 'unknown', detail: 'time-out' }
          if (what === 'absent') throw new L402Error('lightning_unavailable', 'no node')
          throw new Error(`paying ${encodeHex(preimage)} failed`)
        }
        // Serves nothing ever: every credential is met with another challenge.
        const fetch = async () => {
          const { header } = challengeOf(secrets)
          headers.push(header)
          return new Response('', { status: 402, headers: { 'www-authenticate': header } })
        }
        const onEvent = (event: unknown) => told.push(event)
        const paying = payingFetch({ wallet, purse, fetch, paymentTimeoutMs: 1_000, onEvent })
        for (const [pay, lookUp] of script) {
          wallet.onPay = ({ paymentHash }) => answer(pay, encodeHex(paymentHash))
          wallet.onLookup = (hash) => answer(lookUp, hash)
          told.push(await paying(url).catch((error: unknown) => error))
        }
        const hashes = wallet.paid.map((one) => encodeHex(one.paymentHash))
        expect(new Set(hashes).size).toBe(hashes.length)
        expect((await purse.spent()).totalMsat).toBeLessThanOrEqual(33_000n)
        // Only what failed for certain is paid for anew.
        const records = await purse.payments(99)
        expect(records.filter((one) => one.state !== 'failed').length).toBeLessThanOrEqual(1)
        const text = show(told)
        for (const preimage of secrets.values()) {
          expect(text).not.toContain(encodeHex(preimage))
          expect(text).not.toContain(encodeBase64(preimage))
        }
        for (const header of headers) expect(text).not.toContain(header.slice(15, 60))
      }),
    )
  })
})
