/**
 * Sessions in the seller's books: opened, topped up, closed. A session has no balance of its own. It is a claim on what is left
 * of the entitlement that its deposit has bought, which the L402 credential of the same invoice draws on just as well.
 */

import { encodeHex, equalBytes } from '../../../core/bytes.ts'
import type { Network } from '../../../core/network.ts'
import { readReturnInvoice } from '../../../core/payment-scheme/return-invoice.ts'
import type { PaymentBackend } from '../../../lightning/backend.ts'
import type { Ledger } from '../../../stores/ledger.ts'
import type { StreamSession } from '../../gate.ts'
import { boughtBalance, leftOf, usesOf } from './balance.ts'
import { busy, carryOut } from './books.ts'
import type { Deposit, DepositTerms, SessionFault } from './deposit.ts'
import { createIdleWatch } from './idle.ts'
import { openKey, recordKey, returnKey, takenKey } from './keys.ts'
import { recall, writeOnce } from './recall.ts'
import { readRecord, recordJson, type SessionRecord } from './record.ts'
import { type Closing, createRefunds, unitsWorth, worthMsat } from './refund.ts'
import { createRoll } from './roll.ts'
import { takeIn } from './top-up.ts'

/** What a session desk is made of. */
export interface SessionsOptions {
  /** The gate's own books. */
  readonly store: Ledger
  /** The gate's network. */
  readonly network: Network
  /**
   * Pays back what is left. It has to cap fees, look payments up and pay invoices without an amount. Left out: nothing is paid
   * back, and what is left stays on the balance, for the L402 credential of the same payment.
   */
  readonly wallet?: PaymentBackend
  /** Whole seconds after which a session that nobody uses is closed; 300 if left out, `null`: never. */
  readonly idleTimeoutSeconds?: number | null
  /**
   * Whether nothing but its opening challenge opens a session. The nodes that forward the deposit learn its hash and its
   * preimage, which is all that a session is known by, but never see the challenge. False if left out: deployed clients answer
   * each 402 with its own challenge.
   */
  readonly pin?: boolean
  /** Most that a session without such a pin may hold, in msat; 100,000 sat if left out. */
  readonly mostMsat?: bigint
  /** Told of every session that was closed. Nothing in it is a secret. */
  readonly onClosed?: (closed: SessionClosed) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** A session that was closed, and what became of what was left of it. */
export interface SessionClosed {
  /** The deposit's payment hash in lower-case hex. */
  readonly sessionId: string
  readonly service: string
  /** Whether the client closed it, or the server did. */
  readonly by: 'client' | 'server'
  readonly refundSats: number
  readonly refundStatus: Closing['refundStatus']
}

/** How a session stands. */
export type SessionState =
  | { readonly state: 'none' }
  | { readonly state: 'open' | 'closed'; readonly record: SessionRecord }

/** Sessions for a gate; see {@link sessions}. Everything throws `store_unavailable`. */
export interface Sessions {
  readonly idleTimeoutSeconds: number | null
  readonly pin: boolean
  /** Whether a deposit of so much can be offered. */
  offers(depositMsat: bigint): boolean
  find(sessionId: Uint8Array): Promise<SessionState>
  /** Opens; the same again answers the session as it stands. */
  open(deposit: Deposit, terms: DepositTerms): Promise<SessionRecord | SessionFault>
  /** Puts a deposit on the balance of an open session. The same again changes nothing. */
  topUp(record: SessionRecord, deposit: Deposit): Promise<SessionFault | undefined>
  /** Closes and pays back. The same challenge again hears the same; another one that it is closed. */
  close(record: SessionRecord, challengeId: string): Promise<Closing | SessionFault>
  /** How a closed session was closed; `undefined`: it is not, or is being. */
  closing(record: SessionRecord): Promise<Closing | undefined>
  /** It is used right now. */
  touch(sessionId: Uint8Array): void
  /** The session for a request that draws on it. */
  streaming(record: SessionRecord): StreamSession
  /** Ends the watch over sessions that nobody uses. Neither store nor wallet is closed. */
  stop(): Promise<void>
}

const DAY_MS = 86_400_000
/** Longer than any session that somebody uses goes without being closed. */
const KEEP_MS = 3_650 * DAY_MS
const MOST_RECORDS = 4_096
const TRIES = 200

/**
 * Makes a session desk, and begins to look after the sessions in the store.
 *
 * @throws RangeError for options out of range, and for a wallet that cannot do what refunds need.
 *
 * @example
 * const desk = sessions({ store: memoryStore(), network: 'mainnet', wallet })
 */
export function sessions(options: SessionsOptions): Sessions {
  const { store: ledger, network, wallet, pin = false, mostMsat = 100_000_000n, now = Date.now } = options
  const { idleTimeoutSeconds = 300 } = options
  checkWallet(wallet, network)
  if (idleTimeoutSeconds !== null && !(Number.isSafeInteger(idleTimeoutSeconds) && idleTimeoutSeconds > 0))
    throw new RangeError(
      `invalid idleTimeoutSeconds: expected whole seconds above 0, got ${idleTimeoutSeconds}`,
    )
  const untilMs = (): number => Math.floor(now()) + KEEP_MS
  const records = new Map<string, SessionRecord>()
  const roll = createRoll(ledger, untilMs)
  const refunds = createRefunds({
    ...{ ledger, wallet, now, untilMs },
    onClosed: ({ sessionId, service }, { challengeId, refundSats, refundStatus }) =>
      options.onClosed?.({
        sessionId: encodeHex(sessionId),
        service,
        by: challengeId === null ? 'server' : 'client',
        refundSats,
        refundStatus,
      }),
  })
  const queues = new Map<string, Promise<unknown>>()

  /** One after the other for each session of this process; the ledger orders those of several. */
  function inTurn<T>(sessionId: Uint8Array, task: () => Promise<T>): Promise<T> {
    const name = encodeHex(sessionId)
    const run = (queues.get(name) ?? Promise.resolve()).then(task, task)
    const done = run
      .catch(() => {})
      .finally(() => {
        if (queues.get(name) === done) queues.delete(name)
      })
    queues.set(name, done)
    return run
  }

  async function recordOf(sessionId: Uint8Array): Promise<SessionRecord | undefined> {
    const name = encodeHex(sessionId)
    const known = records.get(name)
    if (known !== undefined) return known
    const fact = await recall(ledger, { key: recordKey(sessionId), owner: sessionId, untilMs: untilMs() })
    if (fact === undefined) return undefined
    if (typeof fact !== 'object') throw busy('session')
    return remember(readRecord(fact))
  }

  function remember(record: SessionRecord): SessionRecord {
    if (records.size >= MOST_RECORDS) records.clear()
    records.set(encodeHex(record.sessionId), record)
    return record
  }

  async function find(sessionId: Uint8Array): Promise<SessionState> {
    const [open] = await ledger.read([openKey(sessionId)])
    if (open?.credited === undefined) return { state: 'none' }
    const record = await recordOf(sessionId)
    if (record === undefined) return { state: 'none' }
    return { state: open.used > 0n ? 'closed' : 'open', record }
  }

  /** Takes what can be paid back off the balance and closes, in one step of the books. Answers false for a closed one. */
  async function shut(record: SessionRecord): Promise<boolean> {
    const { sessionId, tokenId, service, endsAtMs, balance } = record
    for (let i = 0; i < TRIES; i++) {
      const [open] = await ledger.read([openKey(sessionId)])
      const share = open?.credited ?? 0n
      if ((open?.used ?? 0n) > 0n || share < 1n) return false
      const left = await leftOf(ledger, balance)
      const most = left.units < share ? left.units : share
      const payable = wallet !== undefined && record.returnExpiresAt > now() / 1000
      const refundMsat = payable ? (worthMsat(record, most) / 1000n) * 1000n : 0n
      // What is less than a satoshi stays on the balance.
      const taken = unitsWorth(record, refundMsat)
      const held = await ledger.reserve({
        redemption: { paymentHash: sessionId, tokenId, service, endsAtMs },
        uses: [
          { key: openKey(sessionId), limit: 'credited', amount: share },
          ...usesOf(balance, taken, left),
          ...(taken > 0n ? [{ key: takenKey(sessionId), limit: taken, amount: taken }] : []),
        ],
      })
      // Somebody was quicker: what is left is looked at again.
      if (!held.ok && held.failed !== 'revoked') continue
      // What was revoked is not paid back.
      if (!held.ok) return false
      await carryOut(ledger, held.id)
      return true
    }
    throw busy('session')
  }

  async function open(deposit: Deposit, terms: DepositTerms): Promise<SessionRecord | SessionFault> {
    const { verified, summary, challengeId, macaroon, paidMsat, route, expiresAtMs } = deposit
    const { paymentHash: sessionId, tokenId } = verified.identifier
    const before = await find(sessionId)
    if (before.state === 'open') return before.record
    if (before.state === 'closed') return 'closed'
    if (expiresAtMs < now()) return 'expired'
    const bought = boughtBalance(verified, summary)
    if (bought === undefined) return 'no_balance'
    if (!pin && !terms.pin && paidMsat > mostMsat) return 'too_much'
    const back = readReturnInvoice(terms.returnInvoice, { network, nowSeconds: now() / 1000 })
    if (typeof back === 'string') return { fault: 'return_invoice', detail: back }
    // Two sessions with one invoice could not both be paid back.
    const mine = await writeOnce(
      ledger,
      { key: returnKey(back.paymentHash), owner: sessionId, untilMs: untilMs() },
      {},
    )
    if (mine === 'other' || equalBytes(back.paymentHash, sessionId))
      return { fault: 'return_invoice', detail: 'expected an invoice that no other session has' }
    const { redemption } = deposit
    const { endsAtMs = null, service } = redemption
    // The payment is on the account before anything draws on it (protocol §5 rule 1).
    if (bought.balance.kind === 'credit') await ledger.credit(redemption, bought.units)
    await roll.add(sessionId)
    const record: SessionRecord = {
      ...{ sessionId, tokenId, challengeId, macaroon, service, route, paidMsat, endsAtMs },
      ...{ balance: bought.balance, units: bought.units, pinned: terms.pin },
      returnInvoice: back.invoice,
      returnHash: back.paymentHash,
      returnExpiresAt: back.expiresAt,
      openedAtMs: Math.floor(now()),
    }
    const place = { key: recordKey(sessionId), owner: sessionId, untilMs: untilMs() }
    const written = await writeOnce(ledger, place, recordJson(record))
    if (typeof written !== 'object') throw busy('session')
    const account = openKey(sessionId)
    await ledger.credit({ paymentHash: account, tokenId: account, service, endsAtMs }, bought.units)
    return remember(readRecord(written))
  }

  async function close(
    record: SessionRecord,
    challengeId: string | null,
  ): Promise<Closing | SessionFault | undefined> {
    const first = await shut(record)
    const closing = await refunds.settle(record, challengeId)
    if (closing === undefined) return first ? undefined : 'closed'
    return first || (challengeId !== null && closing.challengeId === challengeId) ? closing : 'closed'
  }

  const watch = createIdleWatch({
    ...{ ledger, roll, find, now, idleSeconds: idleTimeoutSeconds },
    close: (record) => inTurn(record.sessionId, () => close(record, null)),
    settle: (record) => inTurn(record.sessionId, () => refunds.settle(record, null)),
  })

  return {
    idleTimeoutSeconds,
    pin,
    offers: (depositMsat) => pin || depositMsat <= mostMsat,
    find,
    open: (deposit, terms) => inTurn(deposit.verified.identifier.paymentHash, () => open(deposit, terms)),
    topUp: (record, deposit) =>
      inTurn(record.sessionId, async () => {
        const most = pin || record.pinned ? null : mostMsat
        const fault = await takeIn(ledger, {
          record,
          deposit,
          mostMsat: most,
          untilMs: untilMs(),
          nowMs: now(),
        })
        if (fault === undefined) watch.touch(record.sessionId)
        return fault
      }),
    close: (record, challengeId) =>
      inTurn(record.sessionId, async () => {
        const closing = await close(record, challengeId)
        if (closing === undefined) throw busy('session')
        return closing
      }),
    closing: (record) =>
      inTurn(record.sessionId, async () => {
        const { state } = await find(record.sessionId)
        return state === 'closed' ? refunds.settle(record, null) : undefined
      }),
    touch: (sessionId) => watch.touch(sessionId),
    streaming: (record) => ({
      id: encodeHex(record.sessionId),
      worthMsat: (units) => worthMsat(record, units),
      touch: () => watch.touch(record.sessionId),
      left: async () => (await leftOf(ledger, record.balance)).units,
      async standing() {
        const { used } = await leftOf(ledger, record.balance)
        return { open: (await find(record.sessionId)).state === 'open', spentMsat: worthMsat(record, used) }
      },
    }),
    stop: () => watch.stop(),
  }
}

function checkWallet(wallet: PaymentBackend | undefined, network: Network): void {
  if (wallet === undefined) return
  const { capsFees, looksUp, paysAnyAmount } = wallet.paymentCapabilities
  if (wallet.network !== network)
    throw new RangeError(`invalid wallet: expected one on ${network}, got one on ${wallet.network}`)
  if (!capsFees || !looksUp || paysAnyAmount !== true)
    throw new RangeError(
      'invalid wallet: expected one that caps fees, looks payments up and pays invoices without an amount',
    )
}
