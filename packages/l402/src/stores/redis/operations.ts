import { encodeHex } from '../../core/bytes.ts'
import type { Claim, CounterUse, RateUse, Redemption, ReserveRequest } from '../ledger.ts'
import { COUNTER_MAX } from '../lib/checks.ts'
import { END_GRACE_MS } from '../lib/ends.ts'
import type { RevocationKind } from '../lib/revocations.ts'
import { type Batch, idText, MAX_COUNT, OWNER_DIGITS, raw, short, u16, u32, type Write } from './batch.ts'

/** What a use is, as scripts/counters.ts reads it. */
const METERED = 1
const ACCOUNT = 2
const HELD = 4

function endText(endsAtMs: number | null | undefined): string {
  return endsAtMs === undefined || endsAtMs === null ? short('') : short(endsAtMs + END_GRACE_MS)
}

function paymentText({ paymentHash, tokenId, service, endsAtMs }: Redemption): string {
  const name = Buffer.from(service, 'utf8').toString('latin1')
  if (name.length > MAX_COUNT) throw new RangeError('the name of a service has at most 65,535 bytes')
  return raw(paymentHash) + raw(tokenId) + u16(name.length) + name + endText(endsAtMs)
}

function useText({ key, limit, amount, metered = false, endsAtMs = null }: CounterUse): string {
  // An amount that can never fit may be larger than 64 bits; only that it does not fit matters.
  if (amount > COUNTER_MAX) return `${raw(key)}\0${short(1)}${short(0)}`
  const account = limit === 'credited'
  const flags = (metered ? METERED : 0) + (account ? ACCOUNT : 0) + (account || endsAtMs !== null ? HELD : 0)
  const most = account ? '' : limit < 0n ? 0n : limit < COUNTER_MAX ? limit : COUNTER_MAX
  return raw(key) + String.fromCharCode(flags) + short(metered ? '' : amount) + short(most)
}

/** A reservation under a number still to be said; `record`: whether the payment must be recorded, as far as is known. */
export function reserveOp({
  redemption,
  uses,
}: ReserveRequest): (batch: Batch, id: bigint, record: boolean) => void {
  if (uses.length > MAX_COUNT) throw new RangeError('a reservation has at most 65,535 uses')
  const payment = paymentText(redemption)
  const estimate = uses.find(({ metered }) => metered === true)?.amount
  const meters = estimate === undefined || estimate > COUNTER_MAX ? '' : estimate
  const value = short(meters) + uses.map(useText).join('')
  const ends = uses.map(({ limit, endsAtMs }) => endText(limit === 'credited' ? null : endsAtMs)).join('')
  const rest = u32(value.length) + value + u16(uses.length) + ends
  return (batch, id, record) =>
    batch.add(`R${idText(id)}${payment}${String.fromCharCode(record ? 1 : 0)}${rest}`)
}

function aboutReservation(
  batch: Batch,
  letter: string,
  { id, more = '' }: { id: bigint; more?: string },
): void {
  const text = idText(id)
  batch.about(text.slice(0, OWNER_DIGITS))
  batch.add(letter + text + more)
}

export function serveOp(id: bigint): Write {
  return (batch) => aboutReservation(batch, 'S', { id })
}

export function drawOp(id: bigint, actualMsat: bigint): Write {
  return (batch) => aboutReservation(batch, 'D', { id, more: short(actualMsat) })
}

export function commitOp(id: bigint, actualMsat: bigint | undefined): Write {
  return (batch) => aboutReservation(batch, 'C', { id, more: short(actualMsat ?? '') })
}

export function releaseOp(id: bigint): Write {
  return (batch) => aboutReservation(batch, 'L', { id })
}

export function readOp(keys: readonly Uint8Array[]): Write {
  if (keys.length > MAX_COUNT) throw new RangeError('at most 65,535 counters can be read at once')
  const text = `G${u16(keys.length)}${keys.map(raw).join('')}`
  return (batch) => batch.add(text)
}

export function creditOp(redemption: Redemption, amountMsat: bigint): Write {
  const text = `K${paymentText(redemption)}${short(amountMsat)}`
  return (batch) => batch.add(text)
}

function ratesText(rates: readonly RateUse[]): string {
  if (rates.length > MAX_COUNT) throw new RangeError('at most 65,535 windows can be asked at once')
  const most = BigInt(Number.MAX_SAFE_INTEGER)
  const texts = rates.map(
    ({ key, limit, windowMs, endsAtMs }) =>
      raw(key) + short(limit < most ? limit : most) + short(windowMs) + endText(endsAtMs),
  )
  return u16(rates.length) + texts.join('')
}

export function paceOp(rates: readonly RateUse[]): Write {
  const text = `W${ratesText(rates)}`
  return (batch) => batch.add(text)
}

export function unpaceOp(rates: readonly RateUse[]): Write {
  const text = `w${ratesText(rates)}`
  return (batch) => batch.add(text)
}

export function onceOp(mark: Uint8Array, untilMs: number): Write {
  const text = `N${raw(mark)}${short(untilMs)}`
  return (batch) => batch.add(text)
}

/** A claim under a number still to be said. */
export function claimOp({ key, digest, untilMs }: Claim): (batch: Batch, id: bigint) => void {
  const text = raw(key) + raw(digest) + short(untilMs)
  return (batch, id) => batch.add(`Q${idText(id)}${text}`)
}

/** What a claim comes to: at once (`A`), or if its owner dies (`P`). */
export function answerOp(letter: 'A' | 'P', key: Uint8Array, answer: Uint8Array): Write {
  const text = letter + raw(key)
  const kept = new Uint8Array(answer)
  return (batch) => {
    batch.add(text)
    batch.attach(kept)
  }
}

export function unclaimOp(key: Uint8Array): Write {
  const text = `U${raw(key)}`
  return (batch) => batch.add(text)
}

/** Gives up the claim of exactly this number. */
export function unclaimOrphanOp(key: Uint8Array, id: bigint): Write {
  const text = `u${idText(id)}${raw(key)}`
  return (batch) => batch.add(text)
}

export function revokeOp(kind: RevocationKind, key: Uint8Array): Write {
  const letter = kind === 'token' ? 't' : 'p'
  const text = `V${letter}${raw(key)}${letter}${encodeHex(key)}`
  return (batch) => batch.add(text)
}

/** Asks for all owners and the numbers of their last calls. */
export function ownersOp(batch: Batch): void {
  batch.add('O')
}

/** Ends what an owner held, if it has not called since `seq`. */
export function buryOp(owner: string, seq: string): Write {
  return (batch) => {
    batch.about(owner)
    batch.add(`B${owner}${short(seq)}`)
  }
}

/** Ends what the calling owner holds, and the owner. */
export function leaveOp(batch: Batch): void {
  batch.add('X')
}
