/** What a session's deposit has bought, as the ledger counts it: the very balance that the L402 credential draws on. */

import type { Summary } from '../../../core/clear.ts'
import type { CounterUse, Ledger } from '../../../stores/ledger.ts'
import { callRefundAccount } from '../../call-refunds.ts'
import type { RouteTerms } from '../../gate.ts'
import type { Charge, UnitRate } from '../../metering/charge.ts'
import type { VerifiedCredential } from '../../verify.ts'

/** A balance: credit in msat on the account of the token id, or calls on a counter and, once those are used, an account. */
export type SessionBalance =
  | { readonly kind: 'credit'; readonly account: Uint8Array }
  | {
      readonly kind: 'calls'
      readonly counter: Uint8Array
      readonly limit: bigint
      /** Of calls that came later: topped up, or given back. */
      readonly account: Uint8Array
    }

/** What of a charge says what a session's unit is. */
type SessionCharge = Omit<Charge, 'fixedMsat' | 'whenEmpty' | 'byHandler'>

/** What of a route says whether it sells sessions, and what they cost. */
export interface SessionTerms extends Pick<RouteTerms, 'grants' | 'free'> {
  readonly charge?: SessionCharge | undefined
  readonly pricer?: { readonly metered?: unknown } | undefined
  readonly hold?: boolean | undefined
  readonly skipInvoice?: boolean | undefined
  readonly shadow?: boolean | undefined
}

/** Whether a route sells what a session can be: several calls, or credit that the ledger holds. */
export function sellsSessions({
  grants,
  charge,
  pricer,
  hold,
  free,
  skipInvoice,
  shadow,
}: SessionTerms): boolean {
  if (free || hold === true || skipInvoice === true || shadow === true || pricer?.metered !== undefined)
    return false
  const { calls = 0, creditMsat } = grants
  return charge === undefined ? calls > 1 : creditMsat !== undefined && calls === 0
}

/** What a session is counted in for its clients. */
export interface SessionUnit {
  /** What one costs, in satoshis rounded up. */
  readonly sats: bigint
  readonly type: 'request' | 'event'
}

/** A unit of a session: an event where nothing else has a price of its own; else a request: its estimate, or its share of the deposit. */
export function sessionUnit(
  { grants, charge }: Pick<SessionTerms, 'grants' | 'charge'>,
  depositMsat: bigint,
): SessionUnit {
  if (charge === undefined)
    return { sats: satsOf({ msat: depositMsat, per: BigInt(grants.calls ?? 1) }), type: 'request' }
  const { event } = charge
  if (event !== undefined && isByEvents(charge)) return { sats: satsOf(event), type: 'event' }
  return { sats: satsOf({ msat: charge.estimateMsat, per: 1n }), type: 'request' }
}

function isByEvents({ requestByte, responseByte, second, header, json, usage }: SessionCharge): boolean {
  return (requestByte ?? responseByte ?? second ?? header ?? json ?? usage) === undefined
}

/** Of one unit at this rate, at least one. */
function satsOf({ msat, per }: UnitRate): bigint {
  const perSat = 1000n * per
  return msat <= perSat ? 1n : (msat + perSat - 1n) / perSat
}

/** The balance behind a credential as it was minted here, and what its payment put there; `undefined` where there is none. */
export function boughtBalance(
  { identifier, source }: VerifiedCredential,
  { credit, counters }: Summary,
): { readonly balance: SessionBalance; readonly units: bigint } | undefined {
  if (source !== 'derived') return undefined
  const [first] = counters
  if (credit !== null)
    return counters.length > 0
      ? undefined
      : { balance: { kind: 'credit', account: identifier.tokenId }, units: credit.amountMsat }
  if (first?.kind !== 'max_calls' || counters.length !== 1) return undefined
  const account = callRefundAccount(identifier.paymentHash)
  const { key, limit } = first
  return { balance: { kind: 'calls', counter: key, limit, account }, units: limit }
}

/** What is left, and on which counters. Throws `store_unavailable`. */
export interface Left {
  readonly units: bigint
  /** Of the counter of the calls that were bought; 0 for credit. */
  readonly bought: bigint
  /** Grows and shrinks with every use. */
  readonly used: bigint
}

/** Names of the counters, for {@link leftOf}. */
export function countersOf(balance: SessionBalance): readonly Uint8Array[] {
  return balance.kind === 'credit' ? [balance.account] : [balance.account, balance.counter]
}

/** Reads what is left of a balance. Throws `store_unavailable`. */
export async function leftOf(ledger: Pick<Ledger, 'read'>, balance: SessionBalance): Promise<Left> {
  const [account, counter] = await ledger.read(countersOf(balance))
  const used = (account?.used ?? 0n) + (counter?.used ?? 0n)
  const onAccount = positive((account?.credited ?? 0n) - (account?.used ?? 0n))
  const bought = balance.kind === 'calls' ? positive(balance.limit - (counter?.used ?? 0n)) : 0n
  return { units: bought + onAccount, bought, used }
}

/** The uses that take so many units off a balance; none for 0. */
export function usesOf(balance: SessionBalance, units: bigint, { bought }: Left): readonly CounterUse[] {
  const fromCounter = units < bought ? units : bought
  const uses: CounterUse[] = []
  if (balance.kind === 'calls' && fromCounter > 0n)
    uses.push({ key: balance.counter, limit: balance.limit, amount: fromCounter })
  const rest = units - (balance.kind === 'calls' ? fromCounter : 0n)
  if (rest > 0n) uses.push({ key: balance.account, limit: 'credited', amount: rest })
  return uses
}

function positive(amount: bigint): bigint {
  return amount > 0n ? amount : 0n
}
