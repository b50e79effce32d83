/** What buying from gRPC and Connect services has in common: statuses, metadata, and requests of many messages. */

import { encodeHex } from '../../core/bytes.ts'
import { attenuateMacaroon } from '../../core/chain.ts'
import { parseCredentials } from '../../core/credential.ts'
import { L402Error, type L402ErrorCode } from '../../core/errors.ts'
import { encodeMacaroon } from '../../core/macaroon.ts'
import { addedHeaders, type WrapperOptions } from './attempts.ts'

/** Options of the buyers of gRPC services. */
export interface RpcOptions extends WrapperOptions {
  /**
   * Messages of a streaming request that are kept until the server's first answer, to be sent again after paying; default
   * 64. With more of them sent by then, the call is refused before paying (rule C6).
   */
  readonly bufferedMessages?: number
  /**
   * Milliseconds that a streaming request waits, once so many messages were sent, for the server to say whether it wants
   * money; default 1,000. It goes on at the server's first sign.
   */
  readonly holdMs?: number
}

/** How much of a streaming request is kept, and how long it waits before it sends more. */
export interface KeptMessages {
  readonly mostBuffered: number
  readonly holdMs: number
}

/** HTTP statuses by gRPC code, by which the gate tells what was served from what was not (rule C8). */
const HTTP_STATUSES = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]

/** What a call came to as an answer of HTTP. `challenges`: the lines of a refusal that asks for money. */
export function rpcAnswer(code: number, challenges: readonly string[] | null): Response {
  const headers = new Headers()
  for (const line of challenges ?? []) headers.append('www-authenticate', line)
  return new Response(null, { status: challenges ? 402 : (HTTP_STATUSES[code] ?? 500), headers })
}

/** The text of a refusal that asks for money (protocol §1). */
export const PAYMENT_REQUIRED = 'payment required'

/** What goes out with an attempt beside the user's metadata: `authorization`, and `macaroon` in hex (protocol §2). */
export function credentialMetadata(sent: Headers, own: Headers): readonly (readonly [string, string])[] {
  const added = [...addedHeaders(sent, own)]
  const authorization = added.find(([name]) => name === 'authorization')
  const parsed = authorization ? parseCredentials([...authorization]) : undefined
  const credential = parsed?.ok ? parsed.credentials[0] : undefined
  if (!credential || sent.has('macaroon')) return added
  // protocol V3: the proof of payment is one of its caveats.
  const proven = attenuateMacaroon(credential.macaroon, [`preimage=${encodeHex(credential.preimage)}`])
  return [...added, ['macaroon', encodeHex(encodeMacaroon(proven))]]
}

const CODES: Partial<Record<L402ErrorCode, number>> = {
  // FAILED_PRECONDITION: asking again changes nothing.
  payment_refused: 9,
  not_replayable: 9,
  // ABORTED: nothing was spent.
  payment_failed: 10,
  // UNAVAILABLE
  lightning_unavailable: 14,
  store_unavailable: 14,
}

/** The gRPC code of what kept a call from being served; UNKNOWN where it is not known what became of the money. */
export function rpcCodeOf(error: unknown): number {
  return (error instanceof L402Error ? CODES[error.code] : undefined) ?? 2
}

/** The options with their defaults. Throws `RangeError` for numbers that cannot be meant. */
export function keptMessages({ bufferedMessages = 64, holdMs = 1_000 }: RpcOptions): KeptMessages {
  if (!(Number.isSafeInteger(bufferedMessages) && bufferedMessages >= 0))
    throw new RangeError('bufferedMessages must be a whole number, 0 or more')
  if (!(holdMs >= 0 && holdMs < 2 ** 31)) throw new RangeError('holdMs must be from 0 to 2,147,483,647')
  return { mostBuffered: bufferedMessages, holdMs }
}
