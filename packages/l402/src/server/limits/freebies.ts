/** Requests that a client has for nothing, counted in the books: exact under concurrency, over replicas and restarts. */

import { encodeUtf8 } from '../../core/bytes.ts'
import { sha256 } from '../../core/hash.ts'
import type { HeaderLines } from '../../core/header-lines.ts'
import type { Ledger } from '../../stores/ledger.ts'
import { clientPrefix } from '../client-prefix.ts'
import { countedEntitlement } from '../entitlement.ts'
import type { GateRequest, Pass } from '../gate.ts'
import { readPer } from './rate-rules.ts'

/** How many requests a client prefix has for nothing. */
export interface Freebie {
  /** Names whose quota it is: of one route, or of a service's routes together. */
  readonly owner: string
  /** Requests per window and client prefix; a positive whole number. */
  readonly requests: number
  /** Length of a window, in milliseconds. Windows begin at whole multiples of it since 1970: a day is one of UTC. */
  readonly windowMs: number
}

/** The most that all clients together have of one quota in one window: what bounds its rows in the books. */
const MOST_TOGETHER = 1_000_000n
const MOST_SECONDS = 366 * 86_400

/**
 * Reads `5/1d`.
 *
 * @throws RangeError or L402Error `malformed` that says what was expected.
 */
export function readFreebie(owner: string, text: string): Freebie {
  const { count, windowMs } = readPer(`freebie of ${owner}`, text)
  if (windowMs > MOST_SECONDS * 1000)
    throw new RangeError(`invalid freebie of ${owner}: expected a time of at most 366d`)
  return { owner, requests: count, windowMs }
}

/** Takes one for a request: its hold on it, which is given back where the resource is not served; `null`: none is left. */
export type Freebies = (request: GateRequest, freebie: Freebie) => Promise<Pass | null>

/** See {@link Freebies}, which throws `store_unavailable`. */
export function createFreebies({ ledger, now }: { ledger: Ledger; now: () => number }): Freebies {
  return async (request, { owner, requests, windowMs }) => {
    const window = Math.floor(now() / windowMs)
    const endsAtMs = (window + 1) * windowMs
    const name = (what: string): Uint8Array =>
      sha256(encodeUtf8(`freebie\n${owner}\n${requests}/${windowMs}\n${window}\n${what}`))
    const nobody = name('')
    const held = await ledger.reserve({
      // A reservation says who paid. Nobody did: one line stands for all freebies of a window, and ends with it.
      redemption: { paymentHash: nobody, tokenId: nobody, service: request.route.service, endsAtMs },
      uses: [
        {
          key: name(clientPrefix(request.clientAddress)),
          limit: BigInt(requests),
          amount: 1n,
          endsAtMs,
        },
        { key: name('all'), limit: MOST_TOGETHER, amount: 1n, endsAtMs },
      ],
    })
    if (!held.ok) return null
    const left = BigInt(requests) - (held.states[0]?.used ?? 0n)
    const answerHeaders: HeaderLines = [
      ...['RateLimit-Policy', `"freebie";q=${requests};w=${windowMs / 1000}`],
      ...['RateLimit', `"freebie";r=${left};t=${Math.max(1, Math.ceil((endsAtMs - now()) / 1000))}`],
    ]
    const hold = { ledger, id: held.id, claim: null, keepBytes: 0, answerHeaders }
    const entitlement = countedEntitlement({ tokenId: '', paymentHash: '' }, request.route.service, hold)
    return {
      outcome: 'pass',
      entitlement: {
        ...entitlement,
        freebie: true,
        // Nothing is charged, whatever the request comes to.
        draw: () => Promise.resolve(true),
        commit: () => entitlement.commit(),
      },
    }
  }
}
