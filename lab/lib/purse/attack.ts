/** What an attack is, and how an honest purse comes out of it. */

import type { BuyerOptions, FetchOutcome, PurseStore } from '@turnpike/l402/client'
import type { Behaviour, RawBehaviour, Scene } from './scene.ts'
import type { Spendthrift } from './wallet.ts'

/** How a call ended: an outcome's kind and, after a space, its reason or status; `threw` for anything thrown. */
export type Ended = `${FetchOutcome['kind']}${'' | ` ${string}`}` | 'threw'

/** One attack. */
export interface Attack {
  /** A sentence's end: "a server that …". */
  readonly name: string
  readonly http?: Behaviour
  readonly raw?: RawBehaviour
  /** How each call must end; as many calls are made, one after the other, with one purse. */
  readonly ends: readonly (Ended | RegExp)[]
  /** What policy lets these calls cost. Default 0n. */
  readonly allowedMsat?: bigint
  /** Default `main` + `/x`. */
  readonly url?: (scene: Scene) => string
  readonly init?: RequestInit & { readonly duplex?: 'half' }
  /** For the library only. */
  readonly options?: Partial<BuyerOptions>
  /** The same for `fare get`. `null`: this cannot be said on its command line. */
  readonly flags?: readonly string[] | null
  /** The same for the tool `fetch` of `fare mcp`; default: what says the same as `flags`, where something does. */
  readonly args?: Readonly<Record<string, unknown>>
  /** Calls are aborted after this long. */
  readonly abortAfterMs?: number
  /** How the wallet behaves. */
  readonly wallet?: Spendthrift['ends']
  /** Calls made at once, instead of one after the other. */
  readonly atOnce?: boolean
  /** What else must be so; throws where it is not. */
  readonly check?: (scene: Scene, purse: PurseStore) => unknown
}
