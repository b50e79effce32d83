import { describe, expect, it } from 'vitest'
import { keys, tokenId } from '../../test/sold.ts'
import { decodeInvoice } from '../core/bolt11/index.ts'
import { decodeBase64 } from '../core/bytes.ts'
import { L402Error } from '../core/errors.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon } from '../core/macaroon.ts'
import type { CreatedInvoice, InvoiceBackend, InvoiceRequest } from '../lightning/backend.ts'
import { memoryLightning } from '../lightning/memory.ts'
import { type ChallengeFor, type ChallengerOptions, createChallenger } from './challenger.ts'
import { routeTerms } from './route-terms.ts'

const real = memoryLightning()
const terms = routeTerms('weather', 'GET /forecast/*', { price: '1500 msat' })

function backend(change: (made: CreatedInvoice, asked: InvoiceRequest) => CreatedInvoice): InvoiceBackend {
  return {
    network: real.network,
    invoiceCapabilities: real.invoiceCapabilities,
    createInvoice: async (request) => change(await real.createInvoice(request), request),
    lookupInvoice: (hash) => real.lookupInvoice(hash),
    ping: () => real.ping(),
    close: () => real.close(),
  }
}

const BUYER: ChallengeFor = {
  tier: 0,
  topUp: null,
  clientAddress: '192.0.2.7',
  origin: undefined,
  thumbprint: undefined,
}

function challenger(lightning: InvoiceBackend, more: Partial<ChallengerOptions> = {}) {
  return createChallenger({
    lightning,
    keys,
    now: Date.now,
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    invoiceExpirySeconds: 600,
    deadlineMs: 1000,
    strictSpec: false,
    lsat: false,
    location: undefined,
    ...more,
  })
}

describe('a challenge', () => {
  it('says of the invoice what the invoice says (S4, S6, S7)', async () => {
    const late = backend((made) => ({ ...made, expiresAt: made.expiresAt + 9999 }))
    const issued = await challenger(late)(terms, BUYER)
    const invoice = decodeInvoice(issued.invoice)
    expect(issued).toMatchObject({ amountMsat: 1500n, expiresAt: invoice.expiresAt })
    expect(invoice.amountMsat).toBe(1500n)
    const { identifier } = decodeMacaroon(decodeBase64(issued.macaroon) as Uint8Array)
    expect(decodeIdentifier(identifier).paymentHash).toEqual(invoice.paymentHash)
  })

  it('keeps the token id it is given, and makes up another each time otherwise', async () => {
    const issue = challenger(real)
    const idOf = async (given: Uint8Array | null): Promise<Uint8Array> => {
      const { macaroon } = await issue(terms, {
        ...BUYER,
        topUp: given === null ? null : { tokenId: given, narrowed: false },
      })
      return decodeIdentifier(decodeMacaroon(decodeBase64(macaroon) as Uint8Array).identifier).tokenId
    }
    expect(await idOf(tokenId)).toEqual(tokenId)
    expect(await idOf(null)).not.toEqual(await idOf(null))
  })

  it('has the same in an LSAT line where that is wanted (S3)', async () => {
    const issued = await challenger(real, { lsat: true })(terms, BUYER)
    expect(issued.lsatHeader).toBe(issued.header.replace('L402', 'LSAT'))
    expect(await challenger(real)(terms, BUYER)).not.toHaveProperty('lsatHeader')
  })

  it('is minted with what the route says besides, before the capabilities and in place of them', async () => {
    const minted = { capabilities: 'read,write', caveats: ['volume=a=1='] }
    const { macaroon } = await challenger(real)({ ...terms, capability: '', minted }, BUYER)
    const caveats = decodeMacaroon(decodeBase64(macaroon) as Uint8Array).caveats.map(({ id }) =>
      new TextDecoder().decode(id),
    )
    expect(caveats[1]).toBe('volume=a=1=')
    expect(caveats.at(-1)).toBe('weather_capabilities=read,write')
  })

  it('is made for a price rounded up to a satoshi where the backend cannot do better, and for no other (S7)', async () => {
    const rounding = (to: bigint) => ({
      ...backend((made) => made),
      createInvoice: (asked: InvoiceRequest) => real.createInvoice({ ...asked, amountMsat: to }),
    })
    expect(await challenger(rounding(2000n))(terms, BUYER)).toMatchObject({ amountMsat: 2000n })
    for (const amount of [1000n, 1501n, 3000n])
      await expect(challenger(rounding(amount))(terms, BUYER)).rejects.toMatchObject({
        code: 'lightning_invalid',
      })
  })

  it('has a memo of whole characters that fits an invoice, whatever the route is called', async () => {
    let memo = ''
    const listening = backend((made, asked) => {
      memo = asked.memo
      return made
    })
    await challenger(listening)({ ...terms, name: `~${'🛣'.repeat(400)}` }, BUYER)
    expect(memo).toBe(`weather: ~${'🛣'.repeat(140)}`)
    await challenger(listening)({ ...terms, memo: 'a forecast' }, BUYER)
    expect(memo).toBe('a forecast')
  })
})

describe('a backend that breaks its contract', () => {
  it.each([
    ['no invoice', (made: CreatedInvoice) => ({ ...made, invoice: 'lnbcrt1garbage' })],
    ['no text', (made: CreatedInvoice) => ({ ...made, invoice: undefined as never })],
    ['another payment hash', (made: CreatedInvoice) => ({ ...made, paymentHash: new Uint8Array(32) })],
    ['another amount', (made: CreatedInvoice) => ({ ...made, amountMsat: 1n })],
  ])('with %s is lightning_invalid', async (_, change) => {
    await expect(challenger(backend(change))(terms, BUYER)).rejects.toMatchObject({
      code: 'lightning_invalid',
    })
  })

  it('with an invoice of another network is lightning_invalid', async () => {
    const mainnet: InvoiceBackend = { ...backend((made) => made), network: 'mainnet' }
    await expect(challenger(mainnet)(terms, BUYER)).rejects.toMatchObject({ code: 'lightning_invalid' })
  })

  it.each([
    new Error('its own'),
    new L402Error('malformed', 'its own'),
    new L402Error('payment_failed', 'its own'),
    'a text',
  ])('by throwing %s is lightning_unavailable', async (error) => {
    const throwing = { ...backend((made) => made), createInvoice: () => Promise.reject(error) }
    await expect(challenger(throwing)(terms, BUYER)).rejects.toMatchObject({
      code: 'lightning_unavailable',
    })
  })
})

describe('set-up', () => {
  it.each([
    { invoiceExpirySeconds: 0 },
    { invoiceExpirySeconds: 1.5 },
    { deadlineMs: Number.NaN },
    { location: 'x'.repeat(256) },
  ])('refuses %j', (options) => {
    expect(() => challenger(real, options)).toThrow(RangeError)
  })
})
