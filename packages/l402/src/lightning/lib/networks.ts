/** Which network a backend is on. */

import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'

/** Throws `lightning_invalid` with the detail `network` (the one found) where a backend is on another than it must be. */
export function expectNetwork(who: string, found: Network, expected: Network | undefined): Network {
  if (expected === undefined || found === expected) return found
  throw new L402Error('lightning_invalid', `${who} is on ${found}, expected ${expected}`, {
    details: { network: found },
  })
}

const NAMES: Readonly<Record<string, Network>> = {
  mainnet: 'mainnet',
  main: 'mainnet',
  bitcoin: 'mainnet',
  testnet: 'testnet',
  testnet3: 'testnet',
  testnet4: 'testnet',
  test: 'testnet',
  signet: 'signet',
  regtest: 'regtest',
  simnet: 'simnet',
}

/** The network that a backend calls by one of its usual names. Throws `lightning_invalid`. */
export function networkNamed(who: string, name: unknown): Network {
  const network = typeof name === 'string' ? NAMES[name.toLowerCase()] : undefined
  if (network === undefined)
    throw new L402Error('lightning_invalid', `${who}: does not say which network it is on`)
  return network
}

/**
 * The network of a service that is known by its host. Throws `lightning_invalid` where another one is expected. A host
 * that is not known is taken to be on the expected one, or on mainnet.
 */
export function networkOfHost(
  who: string,
  at: {
    readonly url: string
    readonly known: Readonly<Record<string, Network>>
    readonly expected: Network | undefined
  },
): Network {
  const found = at.known[new URL(at.url).host]
  return found === undefined ? (at.expected ?? 'mainnet') : expectNetwork(who, found, at.expected)
}
