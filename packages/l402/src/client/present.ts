/** Presents a credential: as a copy narrowed to the request, and as it was bought where a server takes no copies. */

import type { StoredCredential } from '../stores/purse.ts'
import type { Call } from './call.ts'
import { readMacaroon } from './credential-facts.ts'
import type { Hop } from './hop.ts'
import { COPY_SECONDS, narrowedText } from './narrowing.ts'
import type { Run } from './run.ts'
import { discard, type sendPaid } from './send.ts'

/** Name of the purse's note on an origin. */
const NOTE = 'narrowed copies'

/** What is known of how an origin takes narrowed copies. */
type TakesCopies = 'accepted' | 'refused'

/** Copies that a run keeps: the same request again sends the same bytes, which servers verify once. */
export interface Copies {
  readonly made: Map<string, { readonly copy: StoredCredential; readonly untilMs: number }>
  /** By origin; read from the purse once. */
  readonly taken: Map<string, TakesCopies | undefined>
}

const MOST_COPIES = 256
/** A copy is sent again for half its time: what is left is for the way. */
const REUSED_MS = (COPY_SECONDS / 2) * 1000

/** What a server answers to a credential that it does not take. Neither has cost a use. */
const REFUSALS = new Set([401, 402])
/** What it may also answer as long as it has never taken a copy, where asking twice is harmless. */
const DOUBTFUL = new Set([400, 403])
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Sends the hop with a credential. Where the narrowed copy is refused, the credential goes out once more as it was
 * bought, before it counts as rejected; if that opens, the origin gets no more copies. Throws what `fetch` throws.
 */
export async function present(
  call: Call,
  hop: Hop,
  exchange: { readonly credential: StoredCredential; readonly send: typeof sendPaid },
): Promise<Response> {
  const { run, request } = call
  const { credential } = exchange
  const { origin } = hop.url
  const taken =
    call.asBought.has(origin) || run.options.attenuate === false ? 'refused' : await takes(run, origin)
  // A stream goes out once: it is no means to find out.
  const mayNarrow = taken === 'accepted' || (taken === undefined && request.replayable)
  const copy = mayNarrow ? copyFor(run, hop, credential) : undefined
  const response = await exchange.send(run, request, { hop, credential: copy ?? credential })
  const doubtful = taken === undefined && SAFE.has(hop.method)
  const isRefusal = ({ status }: Response): boolean =>
    REFUSALS.has(status) || (doubtful && DOUBTFUL.has(status))
  if (copy === undefined || !isRefusal(response)) {
    if (copy !== undefined && taken === undefined && response.status < 400)
      await learn(run, origin, 'accepted')
    return response
  }
  call.asBought.add(origin)
  if (!request.replayable) return response
  await discard(response)
  const second = await exchange.send(run, request, { hop, credential })
  if (!isRefusal(second)) await learn(run, origin, 'refused')
  return second
}

async function takes(run: Run, origin: string): Promise<TakesCopies | undefined> {
  const { taken } = run.copies
  if (taken.has(origin)) return taken.get(origin)
  const note = await run.purse.note(origin, NOTE)
  const known = note === 'accepted' || note === 'refused' ? note : undefined
  taken.set(origin, known)
  return known
}

async function learn(run: Run, origin: string, known: TakesCopies): Promise<void> {
  run.copies.taken.set(origin, known)
  await run.purse.setNote(origin, NOTE, known)
}

/** The credential with a narrower macaroon; `undefined` where it is of no kind that can be narrowed. */
function copyFor(run: Run, hop: Hop, credential: StoredCredential): StoredCredential | undefined {
  const { made } = run.copies
  const nowMs = run.now()
  const key = `${credential.id} ${hop.method} ${hop.url.pathname}`
  const kept = made.get(key)
  if (kept && nowMs < kept.untilMs && nowMs >= kept.untilMs - REUSED_MS) return kept.copy
  const macaroon = readMacaroon(credential.macaroon)
  const request = { method: hop.method, path: hop.url.pathname, nowSeconds: Math.floor(nowMs / 1000) }
  const text = macaroon && narrowedText(macaroon, request)
  if (text === undefined) return undefined
  const copy = { ...credential, macaroon: text }
  if (made.size >= MOST_COPIES) made.clear()
  made.set(key, { copy, untilMs: nowMs + REUSED_MS })
  return copy
}
