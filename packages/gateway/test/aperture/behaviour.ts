/** What a row of the table of behaviours says. */

import type { Tried } from './server.ts'
import type { BehaviourUpstream } from './upstream.ts'

/** One row. */
export type Behaviour = {
  readonly number: number
  /** Given, when, then. */
  readonly what: string
} & (
  | {
      /** Asks a gateway. */
      readonly probe: (tried: Tried, upstream: BehaviourUpstream) => Promise<unknown>
      /** What the table says of Aperture. */
      readonly aperture: unknown
      /** What its release 0.4.2 does, where the table is of later sources; this is what the lab asks of. */
      readonly release?: unknown
      /** What ours does, where it is something else on purpose, with the reason. */
      readonly ours?: unknown
      readonly reason?: string
    }
  /** Where it is tested, as files of this repository; `reason` says what differs, if something does. */
  | { readonly testedIn: readonly string[]; readonly reason?: string }
  /** Not there. */
  | { readonly absent: string }
)
