/** A paid call and what becomes of it (protocol §5 rules 3 to 5). */

import { isL402Error } from '../../core/errors.ts'
import type { HeaderLines } from '../../core/header-lines.ts'
import { createAccess, type L402Access } from '../../server/access.ts'
import type { BodySource, Entered } from '../../server/enter.ts'
import type { WholeAnswer } from '../../server/whole-answer.ts'
import type { RpcGate } from './rpc-gates.ts'

// Those that gRPC itself gives a 5xx in HTTP: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
const FAULTS: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15])

/** Whether a call ended as a 5xx would (protocol §5 rule 4). */
export function isFault(code: number): boolean {
  return FAULTS.has(code)
}

/** A call without its messages: no price depends on them, and nothing is kept of answers. */
export const CALL_BODY: BodySource = {
  priced: (query) => Promise.resolve({ query, bodyBytes: null }),
  digest: () => Promise.resolve(null),
}

/** What a message that may not go on ends its call with: a gRPC status code and its text. */
export interface CallEnd {
  readonly code: number
  readonly message: string
}

const USED_UP: CallEnd = { code: 8, message: 'what is left of the credit does not cover another message' }
const UNAVAILABLE: CallEnd = { code: 14, message: 'the books cannot be written right now' }

/** A call that may run. */
export interface HeldCall {
  readonly access: L402Access
  /** Lines for the end of the call: `RateLimit`, … */
  readonly answerHeaders: HeaderLines
  /** Whether messages are charged; then {@link message} is to be awaited before each. */
  readonly perMessage: boolean
  /** Draws the cost of a message. Answers what the call ends with in its place, where it may not go on. */
  message(): Promise<CallEnd | null>
  /** A message of the answer goes out. From here on the call is used, whatever it ends with. */
  begin(): void
  /** The call has failed, is whole, or its client left. The first of its calls decides; never throws. */
  settle(how: 'failed' | 'whole' | 'left'): Promise<void>
}

/** What is told to the books before a call runs. Answers what is said in its place, where that cannot be done (rule 9). */
export async function holdCall(
  { route, messageMsat }: RpcGate,
  entry: Entered,
  method: string,
): Promise<HeldCall | WholeAnswer | null> {
  const { entitlement } = entry
  if (entitlement === null) return null
  try {
    await entitlement.serve()
  } catch (error) {
    void entitlement.release()
    if (!isL402Error(error, 'store_unavailable')) throw error
    return entry.unavailable()
  }
  const { access, metering } = createAccess(entitlement, route.terms, method)
  const meter = metering?.meter ?? null
  let servedMsat = 0n
  let begun = false
  let settled: Promise<void> | undefined
  function settleAs(how: 'failed' | 'whole' | 'left'): Promise<void> {
    if (how === 'failed' && servedMsat > 0n) return entitlement?.commit({ costMsat: servedMsat }) ?? DONE
    // Only before its first message (protocol §5 rule 4): a client can make a call fail whenever it likes.
    if (how === 'failed' && !begun) return entitlement?.release() ?? DONE
    return entitlement?.commit(meter === null ? {} : { costMsat: meter.end(how === 'whole') }) ?? DONE
  }
  return {
    access,
    answerHeaders: entitlement.answerHeaders,
    perMessage: messageMsat !== null,
    async message() {
      if (messageMsat === null || meter === null || settled !== undefined) return null
      const before = meter.soFarMsat
      access.charge(messageMsat)
      try {
        if (await entitlement.draw(meter.soFarMsat)) {
          servedMsat = meter.soFarMsat
          return null
        }
      } catch (error) {
        if (!isL402Error(error, 'store_unavailable')) throw error
        settled ??= entitlement.commit({ costMsat: before })
        return UNAVAILABLE
      }
      // What has gone before is charged, and not the message that does not go on.
      settled ??= entitlement.commit({ costMsat: before })
      await settled
      return USED_UP
    },
    begin() {
      begun = true
    },
    settle(how) {
      settled ??= settleAs(how)
      return settled
    },
  }
}

const DONE = Promise.resolve()
