/** One invoice for repeated unpaid requests of one client and route, while it is fresh. */

import { decodeHex, encodeHex } from '../../core/bytes.ts'
import type { InvoiceBackend } from '../../lightning/backend.ts'
import type { ChallengeFor, IssuedChallenge } from '../challenger.ts'
import type { RouteTerms } from '../gate.ts'

/** How challenges are handed out again. */
export interface ChallengeReuseOptions {
  /**
   * Milliseconds for which the node's word is taken that an invoice is unpaid; 1000 if left out. With 0 it is asked each time:
   * for several processes, which do not see what the others redeem.
   */
  readonly recheckMs?: number
  /** Most challenges that are remembered, some 3 KB each; 10,000 if left out. */
  readonly most?: number
}

/** The challenges that are out and fresh. */
export interface ChallengeReuse<Other> {
  /**
   * The challenge for this key that is fresh and unpaid; else what `make` comes to, once for all who ask meanwhile. Rejects as
   * `make` does, and where the node does not say whether an invoice is paid.
   */
  get(wanted: Wanted, make: () => Promise<IssuedChallenge | Other>): Promise<IssuedChallenge | Other>
  /** What was bought with this payment hash (lower-case hex) has been presented: its challenge is out no more. */
  redeemed(paymentHash: string): void
  /** How many are remembered. */
  readonly size: number
}

/** What a challenge is wanted for; see {@link wantedBy}. */
export interface Wanted {
  readonly key: string
  /** What the challenge lets its buyer have, in seconds; `undefined` without an end. */
  readonly validSeconds: number | undefined
}

interface Held {
  readonly challenge: IssuedChallenge
  readonly freshUntilMs: number
  checkedAtMs: number
  checking: Promise<boolean> | undefined
}

/**
 * Whose challenge it is and what it sells: all that goes into macaroon and invoice, the memo as it was filled in for this
 * request. The address is whole, not a prefix: what
 * is handed out again goes to the same client alone.
 */
export function wantedBy(route: RouteTerms, buyer: ChallengeFor): Wanted {
  const { service, name, priceMsat, grants, conditions, capability, memo } = route
  const { clientAddress, tier, topUp, thumbprint, origin, asker } = buyer
  const account = topUp === null ? null : [encodeHex(topUp.tokenId), topUp.narrowed]
  const bound = conditions?.origin === 'client' ? origin : undefined
  const key = JSON.stringify(
    [
      ...[service, name, String(priceMsat), grants, conditions, capability, memo],
      ...[clientAddress, tier, account, thumbprint, bound, asker],
    ],
    (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
  )
  return { key, validSeconds: grants.validSeconds }
}

/**
 * See {@link ChallengeReuse}. `lookUp` has to come to an end by itself.
 *
 * @throws RangeError for options out of range.
 */
export function challengeReuse<Other>(
  lookUp: InvoiceBackend['lookupInvoice'],
  now: () => number,
  { recheckMs = 1_000, most = 10_000 }: ChallengeReuseOptions = {},
): ChallengeReuse<Other> {
  if (!(recheckMs >= 0))
    throw new RangeError(`invalid recheckMs: expected milliseconds from 0, got ${recheckMs}`)
  if (!Number.isSafeInteger(most) || most < 1)
    throw new RangeError(`invalid most: expected a whole number of at least 1, got ${most}`)
  const held = new Map<string, Held>()
  const keys = new Map<string, string>()
  const making = new Map<string, Promise<IssuedChallenge | Other>>()

  function drop(key: string): void {
    const one = held.get(key)
    if (one === undefined) return
    held.delete(key)
    keys.delete(one.challenge.paymentHash)
  }

  function keep({ key, validSeconds = Number.POSITIVE_INFINITY }: Wanted, challenge: IssuedChallenge): void {
    const nowMs = now()
    // At least half of the time to pay is left, and the buyer loses no more than a fiftieth of the time it buys.
    const freshMs = Math.min((challenge.expiresAt * 1000 - nowMs) / 2, validSeconds * 20)
    if (freshMs <= 0) return
    drop(key)
    held.set(key, { challenge, freshUntilMs: nowMs + freshMs, checkedAtMs: nowMs, checking: undefined })
    keys.set(challenge.paymentHash, key)
    if (held.size > most) drop(held.keys().next().value ?? '')
  }

  /** Whether nobody has paid it yet. */
  function unpaid(one: Held): boolean | Promise<boolean> {
    const nowMs = now()
    if (recheckMs > 0 && nowMs - one.checkedAtMs < recheckMs && nowMs >= one.checkedAtMs) return true
    one.checking ??= lookUp(decodeHex(one.challenge.paymentHash) ?? new Uint8Array(32))
      .then((state) => {
        one.checkedAtMs = nowMs
        return state === 'open'
      })
      .finally(() => {
        one.checking = undefined
      })
    return one.checking
  }

  async function make(
    wanted: Wanted,
    task: () => Promise<IssuedChallenge | Other>,
  ): Promise<IssuedChallenge | Other> {
    try {
      const made = await task()
      if (isChallenge(made)) keep(wanted, made)
      return made
    } finally {
      making.delete(wanted.key)
    }
  }

  return {
    async get(wanted, task) {
      const { key } = wanted
      const one = held.get(key)
      if (one !== undefined) {
        if (now() < one.freshUntilMs && (await unpaid(one)) && held.get(key) === one) return one.challenge
        if (held.get(key) === one) drop(key)
        const newer = held.get(key)
        if (newer !== undefined) return newer.challenge
      }
      const running = making.get(key)
      if (running !== undefined) return running
      const started = make(wanted, task)
      making.set(key, started)
      return started
    },
    redeemed(paymentHash) {
      const key = keys.get(paymentHash)
      if (key !== undefined) drop(key)
    },
    get size() {
      return held.size
    },
  }
}

function isChallenge(made: unknown): made is IssuedChallenge {
  return typeof made === 'object' && made !== null && 'macaroon' in made
}
