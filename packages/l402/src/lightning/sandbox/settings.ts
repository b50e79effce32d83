/** How a sandbox may be set up. */

import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'

export interface SandboxOptions {
  /** Milliseconds since 1970, like `Date.now`, the default. */
  readonly now?: () => number
  /** Where `NODE_ENV` is looked up; default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Only `regtest`, the default, is play money. */
  readonly network?: Network
  /**
   * Size of the channel in satoshi, 100,000 to 100,000,000,000; default 100,000,000 (1 BTC). One payment can
   * carry nearly as much: `maxPayableMsat` says how much.
   */
  readonly channelSats?: bigint
}

const DEFAULT_CHANNEL_SATS = 100_000_000n
const MIN_CHANNEL_SATS = 100_000n
const MAX_CHANNEL_SATS = 100_000_000_000n

export function checkSandboxOptions(options: SandboxOptions): { channelSats: bigint; now: () => number } {
  const {
    channelSats = DEFAULT_CHANNEL_SATS,
    env = process.env,
    network = 'regtest',
    now = Date.now,
  } = options
  if (env['NODE_ENV'] === 'production') {
    throw new L402Error(
      'sandbox_forbidden',
      'sandbox Lightning is play money and does not start with NODE_ENV=production; configure a real Lightning backend',
    )
  }
  if (network !== 'regtest') {
    throw new L402Error(
      'sandbox_forbidden',
      `sandbox Lightning is play money on regtest and does not start for ${network}; configure a real Lightning backend`,
    )
  }
  if (channelSats < MIN_CHANNEL_SATS || channelSats > MAX_CHANNEL_SATS) {
    throw new RangeError(`channelSats must be ${MIN_CHANNEL_SATS} to ${MAX_CHANNEL_SATS}`)
  }
  return { channelSats, now }
}
