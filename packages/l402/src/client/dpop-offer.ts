/** A server that binds what it sells to a key (RFC 9449 §7.1: it names the scheme `DPoP`) is asked once more, with a proof. */

import { parseAuthChallenges } from '../core/auth-header.ts'
import { boundKey, readMacaroon } from './credential-facts.ts'
import { keepProofKey, keyToBind, proofFor, proofKeyFor } from './dpop.ts'
import { challengesOf, checkPolicy, firstPayable, type NotPaid, type Payable, unpayable } from './gate.ts'
import type { Hop } from './hop.ts'
import type { PayableChallenge } from './payment-scheme/charge.ts'
import type { Run } from './run.ts'
import { discard, send } from './send.ts'
import type { PreparedRequest } from './types.ts'

/** What is to be paid, and the answer that asked for it. */
export interface Asked {
  readonly response: Response | null
  readonly payable: Payable | NotPaid
}

/** An answer 402, and whose request it answers. */
interface UnpaidBy {
  readonly request: PreparedRequest
  readonly response: Response | null
  readonly challenges: readonly PayableChallenge[] | NotPaid
  /** Only a price is asked for: the limits of this run need not be those of whoever pays it. Default false. */
  readonly forQuote?: boolean
}

const ALGORITHM = 'ES256'

/**
 * The challenge to pay: bound to a key of the purse where the server offers that, else as it stands. The key is in
 * the purse before anything is paid. A credential that is bound to somebody else's key is not bought at all.
 */
export async function boundChallenge(run: Run, hop: Hop, unpaid: UnpaidBy): Promise<Asked> {
  const { challenges } = unpaid
  const first = 'ok' in challenges ? challenges : firstPayable(run, hop, challenges)
  const asked = first.ok ? ((await askedBound(run, hop, { ...unpaid, payable: first })) ?? unpaid) : unpaid
  const payable = 'payable' in asked ? asked.payable : first
  if (payable.ok) {
    const thumbprint = boundKey(readMacaroon(payable.challenge.macaroon))
    if (thumbprint !== undefined && !(await proofKeyFor(run, hop.url.origin, thumbprint))) {
      const detail = 'the credential on offer is bound to a key that is not in this purse'
      return { response: asked.response, payable: unpayable('malformed', detail, payable.offer) }
    }
  }
  return { response: asked.response, payable }
}

/** The answer to the same request with a proof; `undefined` where there is no reason to ask, or it brought nothing. */
async function askedBound(
  run: Run,
  hop: Hop,
  { request, response, payable, forQuote = false }: UnpaidBy & { readonly payable: Payable },
): Promise<Asked | undefined> {
  if (response === null || !offersBinding(response) || run.options.dpop === false) return undefined
  // One proof per request: the user's own is theirs (rule C6).
  if (payable.challenge.scheme === 'Payment' || hop.headers.has('dpop') || !request.replayable)
    return undefined
  if (globalThis.crypto?.subtle === undefined) return undefined
  if (!forQuote && (await checkPolicy(run, hop, payable))) return undefined
  const { method, url } = hop
  const toBind = await keyToBind(run, url.origin)
  const headers = new Headers(hop.headers)
  headers.set('dpop', await proofFor(toBind.key, { method, url, token: null, nowMs: run.now() }))
  const again = await send(run, request, { hop: { ...hop, headers }, credential: null })
  const challenges = again.status === 402 ? challengesOf(again) : undefined
  const bound = challenges && !('ok' in challenges) ? firstPayable(run, hop, challenges) : undefined
  if (!bound?.ok || boundKey(readMacaroon(bound.challenge.macaroon)) !== toBind.key.thumbprint) {
    await discard(again)
    return undefined
  }
  await keepProofKey(run, url.origin, toBind)
  await discard(response)
  return { response: again, payable: bound }
}

/** Whether the answer names the scheme, with an algorithm that this client has. */
function offersBinding(response: Response): boolean {
  const header = response.headers.get('www-authenticate')
  if (header === null || !/dpop/i.test(header)) return false
  return parseAuthChallenges([header]).some(({ scheme, params }) => {
    if (scheme.toLowerCase() !== 'dpop') return false
    const algorithms = params.get('algs')
    return algorithms === undefined || algorithms.split(' ').includes(ALGORITHM)
  })
}
