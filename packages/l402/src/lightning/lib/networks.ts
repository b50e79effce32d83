/** Which network a backend is on. */

import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'

/** Throws `lightning_invalid` where a backend is on another network than it must be. */
export function expectNetwork(who: string, found: Network, expected: Network | undefined): Network {
  if (expected === undefined || found === expected) return found
  throw new L402Error('lightning_invalid', `${who} is on ${found}, expected ${expected}`)
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
