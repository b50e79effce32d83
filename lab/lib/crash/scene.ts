/** What the parts of one lane of the crash suite share. */

import type { Program } from '../../../packages/gateway/test/e2e/program.ts'
import type { RecordingUpstream, UpstreamMoment } from '../recording-upstream.ts'
import type { Wallet } from '../wallet.ts'
import type { Ware } from '../wares.ts'

/** One run of the gateway, from serving to its death. */
export interface Life {
  readonly program: Program
  /** True from just before the signal. */
  dead: boolean
}

/** A point in the life of a request, or a client that has all of its answer. */
export type Moment = UpstreamMoment | 'served'

/** What clients counted. */
export interface Counts {
  requests: number
  served: number
  replayed: number
  cut: number
  /** Of the cut ones: with the upstream having begun to answer. */
  answered: number
  /** Of the cut ones: with some of the answer seen. */
  seen: number
  refused: number
  bought: number
  toppedUp: number
  purchasesCut: number
}

/** One store, the gateways that live and die on it, and their clients. */
export interface Scene {
  readonly upstream: RecordingUpstream
  readonly wallet: Wallet
  readonly wares: readonly Ware[]
  readonly counts: Counts
  /** What must not have happened, in words. */
  readonly faults: string[]
  /** The gateway that serves, as soon as one does; `undefined` once there will be none. */
  life(): Promise<Life | undefined>
  /** Said when it happens: it may be what the next kill waits for. */
  moment(moment: Moment): void
}
