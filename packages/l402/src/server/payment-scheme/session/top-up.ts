/** A further deposit for a session: it goes on the session's balance, or stays what it was, a credential of its own. */

import { equalBytes } from '../../../core/bytes.ts'
import type { Ledger } from '../../../stores/ledger.ts'
import { boughtBalance, type SessionBalance } from './balance.ts'
import { busy, carryOut } from './books.ts'
import type { Deposit, SessionFault } from './deposit.ts'
import { movedKey, openKey, topUpKey, topUpShareKey } from './keys.ts'
import { recall, writeOnce } from './recall.ts'
import type { SessionRecord } from './record.ts'
import { unitsWorth, worthMsat } from './refund.ts'

/** What is put in, and where. */
export interface TopUpRequest {
  readonly record: SessionRecord
  readonly deposit: Deposit
  /** Most that the session may hold; `null`: any amount. */
  readonly mostMsat: bigint | null
  readonly untilMs: number
  readonly nowMs: number
}

/**
 * Puts the deposit in, once (protocol §5 rule 1): a payment that was used for anything else is refused. Every step may be
 * repeated after a crash. Throws `store_unavailable`.
 */
export async function takeIn(
  ledger: Ledger,
  { record, deposit, mostMsat, untilMs, nowMs }: TopUpRequest,
): Promise<SessionFault | undefined> {
  const { sessionId, service, endsAtMs } = record
  const { verified, summary, paidMsat } = deposit
  const { paymentHash } = verified.identifier
  if (equalBytes(paymentHash, sessionId)) return 'consumed'
  // A satoshi may buy more on another route (rule 7).
  if (deposit.redemption.service !== service || deposit.route !== record.route) return 'other_route'
  const bought = boughtBalance(verified, summary)
  if (bought === undefined || bought.balance.kind !== record.balance.kind) return 'no_balance'
  const place = { key: topUpKey(paymentHash), owner: sessionId, untilMs }
  const [open] = await ledger.read([openKey(sessionId)])
  const before = await recall(ledger, place)
  if (before === 'other') return 'consumed'
  if (before === undefined) {
    if ((open?.used ?? 0n) > 0n) return 'closed'
    if (deposit.expiresAtMs < nowMs) return 'expired'
    const held = worthMsat(record, open?.credited ?? 0n)
    if (mostMsat !== null && held + paidMsat > mostMsat) return 'too_much'
    // The payment is this session's from now on, whatever happens next.
    const mine = await writeOnce(ledger, place, {})
    if (mine === 'other') return 'consumed'
    if (mine === 'running') throw busy('payment')
  } else if (before === 'running') throw busy('payment')
  const units = await moveIn(ledger, { record, deposit, from: bought.balance, units: bought.units })
  if (units < 1n) return 'consumed'
  // At the price of the first deposit: no more can be paid back than was paid in.
  const worth = unitsWorth(record, paidMsat)
  const share = units < worth ? units : worth
  const account = openKey(sessionId)
  await ledger.credit({ paymentHash: topUpShareKey(paymentHash), tokenId: account, service, endsAtMs }, share)
  return undefined
}

/** Puts what a payment has bought on the session's balance; answers how much, 0 if it was used elsewhere. */
async function moveIn(
  ledger: Ledger,
  {
    record,
    deposit,
    from,
    units,
  }: {
    readonly record: SessionRecord
    readonly deposit: Deposit
    readonly from: SessionBalance
    readonly units: bigint
  },
): Promise<bigint> {
  const { redemption } = deposit
  if (from.kind === 'credit') {
    const account = record.balance.account
    if (await ledger.credit({ ...redemption, tokenId: account }, units)) return units
    // It is there already, or its own account has it.
    const [own] = await ledger.read([from.account])
    return equalBytes(from.account, account) || own?.credited === undefined ? units : 0n
  }
  const { paymentHash } = deposit.verified.identifier
  const moved = movedKey(paymentHash)
  const [counter, marker] = await ledger.read([from.counter, moved])
  let amount = marker?.used ?? 0n
  if (amount === 0n) {
    amount = from.limit - (counter?.used ?? 0n)
    if (amount < 1n) return 0n
    // Taken and written down in one step: a crash leaves both or neither.
    const held = await ledger.reserve({
      redemption,
      uses: [
        { key: from.counter, limit: from.limit, amount },
        { key: moved, limit: amount, amount },
      ],
    })
    if (!held.ok) {
      if (held.failed === 'revoked') return 0n
      throw busy('payment')
    }
    await carryOut(ledger, held.id)
  }
  const { service, endsAtMs } = record
  await ledger.credit({ paymentHash: moved, tokenId: record.balance.account, service, endsAtMs }, amount)
  return amount
}
