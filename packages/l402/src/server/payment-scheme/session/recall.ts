/** Small facts that are written down once, in the ledger's claims. */

import { decodeUtf8, encodeUtf8 } from '../../../core/bytes.ts'
import type { Ledger } from '../../../stores/ledger.ts'

/** Where a fact is written down. */
export interface Place {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** 32 bytes: whose it is. A place is one owner's alone. */
  readonly owner: Uint8Array
  /** Milliseconds since 1970 until which it is kept. */
  readonly untilMs: number
}

/** Somebody writes it down right now, or the place is another owner's. */
export type NotMine = 'running' | 'other'

type Claims = Pick<Ledger, 'claim' | 'answer' | 'unclaim'>

/** Writes a fact down unless there is one; answers the one that stands. Throws `store_unavailable`. */
export async function writeOnce(ledger: Claims, place: Place, fact: object): Promise<object | NotMine> {
  const found = await ledger.claim({ key: place.key, digest: place.owner, untilMs: place.untilMs })
  if (found.state === 'answered') return readFact(found.answer)
  if (found.state !== 'claimed') return found.state
  try {
    await ledger.answer(place.key, encodeFact(fact))
  } catch (error) {
    void ledger.unclaim(place.key).catch(() => {})
    throw error
  }
  return fact
}

/** The fact that stands there, or `undefined`. Throws `store_unavailable`. */
export async function recall(ledger: Claims, place: Place): Promise<object | NotMine | undefined> {
  const found = await ledger.claim({ key: place.key, digest: place.owner, untilMs: place.untilMs })
  if (found.state === 'answered') return readFact(found.answer)
  if (found.state !== 'claimed') return found.state
  await ledger.unclaim(place.key)
  return undefined
}

/** A fact as the ledger holds it. */
export function encodeFact(fact: object): Uint8Array {
  return encodeUtf8(JSON.stringify(fact))
}

/** The other way round. */
export function readFact(bytes: Uint8Array): object {
  return JSON.parse(decodeUtf8(bytes) ?? '{}') as object
}
