import { decodeUnverifiedInvoice, type UnverifiedInvoice } from '../core/bolt11/index.ts'
import { encodeBase64, encodeHex, encodeUtf8, equalBytes } from '../core/bytes.ts'
import { mintMacaroon } from '../core/chain.ts'
import { formatChallenge } from '../core/challenge.ts'
import { L402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import { encodeIdentifier } from '../core/identifier.ts'
import { encodeMacaroon } from '../core/macaroon.ts'
import type { CreatedInvoice, InvoiceBackend, InvoiceRequest } from '../lightning/backend.ts'
import type { RouteTerms } from './gate.ts'
import { type HeldSale, holdPreimage } from './holds.ts'
import type { KeyRing } from './keys.ts'
import { mintedCaveats } from './minted-caveats.ts'
import { withDeadline } from './with-deadline.ts'

/** A fresh challenge: what a client needs to buy (rules S2, S4, S6). */
export interface IssuedChallenge {
  /** The value of `WWW-Authenticate`. */
  readonly header: string
  /** The same with the scheme `LSAT`, for a field line of its own after it (rule S3); left out where it is not wanted. */
  readonly lsatHeader?: string
  /** Standard base64 with padding. */
  readonly macaroon: string
  readonly invoice: string
  /** What the invoice is for: the price, or rounded up to a satoshi (S7). */
  readonly amountMsat: bigint
  /** Lower-case hex. */
  readonly paymentHash: string
  /** Lower-case hex. */
  readonly tokenId: string
  /** Unix seconds. */
  readonly expiresAt: number
  /** Of a route that is paid on delivery. */
  readonly hold?: HeldSale
}

/** What a challenger works with. */
export interface ChallengerOptions {
  readonly lightning: Pick<InvoiceBackend, 'createInvoice' | 'createHoldInvoice' | 'network'>
  readonly keys: KeyRing
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly randomBytes: (length: number) => Uint8Array
  /** Seconds an invoice may be paid. */
  readonly invoiceExpirySeconds: number
  /** Milliseconds a backend may take to make an invoice. */
  readonly deadlineMs: number
  /** Leaves `macaroon=` out (rule S2). */
  readonly strictSpec: boolean
  /** Whether there is an `LSAT` line too (rule S3). */
  readonly lsat: boolean
  /** The macaroon's location, an unsigned hint (rule S9); the service's name if left out. */
  readonly location: string | undefined
}

/** Whom a challenge is for. */
export interface ChallengeFor {
  /** Tier of the service, 0 to 255. */
  readonly tier: number
  /** The account that a purchase tops up (protocol §5 rule 8); `null` for a new one. */
  readonly topUp: TopUp | null
  readonly clientAddress: string
  /** The `Origin` line, where there is one. */
  readonly origin: string | undefined
  /** The key of the request's proof of possession, where it carries one. */
  readonly thumbprint: string | undefined
  /** The browser that the challenge is for, where it is for one. */
  readonly asker?: string | undefined
}

/** Whose account a purchase goes to. */
export interface TopUp {
  /** 32 bytes. */
  readonly tokenId: Uint8Array
  /**
   * The buyer holds a narrower copy: what he buys draws no more from the account than he pays in, else he would come into
   * what others have there.
   */
  readonly narrowed: boolean
}

/** Makes challenges. Throws `lightning_unavailable` or `lightning_invalid`; nothing durable is written (rule S10). */
export type Challenger = (terms: RouteTerms, buyer: ChallengeFor) => Promise<IssuedChallenge>

/**
 * See {@link Challenger}. The token id is kept where a holder tops up, else random (protocol §4).
 *
 * @throws RangeError for options out of range.
 */
export function createChallenger(options: ChallengerOptions): Challenger {
  const { lightning, keys, now, randomBytes } = options
  checkWhole(options.invoiceExpirySeconds, 'invoiceExpirySeconds')
  checkWhole(options.deadlineMs, 'challengeDeadlineMs')
  if (options.location !== undefined && encodeUtf8(options.location).length > 255)
    throw new RangeError('invalid location: expected at most 255 bytes')
  return async (terms, buyer) => {
    const tokenId = buyer.topUp?.tokenId ?? randomBytes(32)
    const preimage = terms.hold === true ? holdPreimage(keys, tokenId) : undefined
    const invoice = await withDeadline(options.deadlineMs, (signal) =>
      makeInvoice(
        lightning,
        {
          amountMsat: terms.priceMsat,
          memo: terms.memo ?? memoOf(terms),
          expirySeconds: options.invoiceExpirySeconds,
          signal,
        },
        preimage,
      ),
    )
    const { expiresAt } = checkInvoice(invoice, terms, lightning)
    const identifier = encodeIdentifier({ paymentHash: invoice.paymentHash, tokenId })
    const macaroon = encodeMacaroon(
      mintMacaroon({
        rootKey: keys.mintingKey(identifier),
        identifier,
        location: options.location ?? terms.service,
        caveats: mintedCaveats(terms, buyer, Math.floor(now() / 1000)),
      }),
    )
    const fields = { macaroon, invoice: invoice.invoice, strictSpec: options.strictSpec }
    return {
      header: formatChallenge(fields),
      ...(options.lsat ? { lsatHeader: formatChallenge({ ...fields, scheme: 'LSAT' }) } : {}),
      macaroon: encodeBase64(macaroon),
      invoice: invoice.invoice,
      amountMsat: invoice.amountMsat,
      paymentHash: encodeHex(invoice.paymentHash),
      tokenId: encodeHex(tokenId),
      expiresAt,
      ...(preimage === undefined
        ? {}
        : {
            hold: {
              ...{ tokenId, preimage, expiresAt },
              paymentHash: invoice.paymentHash,
              macaroon: encodeBase64(macaroon),
            },
          }),
    }
  }
}

async function makeInvoice(
  lightning: ChallengerOptions['lightning'],
  request: InvoiceRequest,
  preimage: Uint8Array | undefined,
): Promise<CreatedInvoice> {
  if (preimage === undefined) return lightning.createInvoice(request)
  const paymentHash = Uint8Array.from(sha256(preimage))
  const created = await lightning.createHoldInvoice?.({ ...request, paymentHash })
  if (created === undefined)
    throw new L402Error('lightning_unavailable', 'the Lightning backend holds no payments')
  if (equalBytes(created.paymentHash, paymentHash)) return created
  throw new L402Error('lightning_invalid', 'the Lightning backend made an invoice with another payment hash')
}

/** Service and route, in whole characters and within the 639 bytes of an invoice's description. */
function memoOf({ service, name }: RouteTerms): string {
  return Array.from(`${service}: ${name}`).slice(0, 150).join('')
}

// A backend that answers with another invoice than asked for must not be sold: the client would pay for nothing (S4, S7).
function checkInvoice(
  created: CreatedInvoice,
  terms: RouteTerms,
  lightning: Pick<InvoiceBackend, 'network'>,
): UnverifiedInvoice {
  const facts = readInvoice(created)
  const wrong = (what: string): L402Error =>
    new L402Error(
      'lightning_invalid',
      `the Lightning backend made an invoice with another ${what} than asked for`,
    )
  if (!equalBytes(facts.paymentHash, created.paymentHash)) throw wrong('payment hash')
  if (facts.network !== lightning.network) throw wrong('network')
  if (facts.amountMsat !== created.amountMsat) throw wrong('amount')
  const roundedUp = ((terms.priceMsat + 999n) / 1000n) * 1000n
  if (created.amountMsat !== terms.priceMsat && created.amountMsat !== roundedUp) throw wrong('amount')
  return facts
}

function readInvoice({ invoice }: CreatedInvoice): UnverifiedInvoice {
  try {
    return decodeUnverifiedInvoice(invoice)
  } catch (cause) {
    throw new L402Error('lightning_invalid', 'the Lightning backend made an invoice that cannot be read', {
      cause,
    })
  }
}

function checkWhole(value: number, name: string): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`invalid ${name}: expected a whole number of at least 1, got ${value}`)
}
