/** Which addresses an agent may reach: public ones, and those that were allowed when the server was started. */

import { BlockList, isIP } from 'node:net'

/** Decides by address, not by name. */
export interface AddressGuard {
  /** Whether a connection to this address (without port, zone or brackets) may be made. */
  allows(address: string): boolean
}

const PRIVATE_V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]
/** Of 2000::/3; outside of it nothing is public. Tunnels (Teredo, 6to4) could lead to any IPv4 address. */
const PRIVATE_V6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]

/**
 * Public addresses, and the given networks (`127.0.0.1/32`, `fd00::/8`, `10.1.2.3`).
 *
 * @throws RangeError for a network that cannot be read.
 */
export function addressGuard(networks: readonly string[]): AddressGuard {
  const closed = new BlockList()
  for (const [net, prefix] of PRIVATE_V4) closed.addSubnet(net, prefix, 'ipv4')
  for (const [net, prefix] of PRIVATE_V6) closed.addSubnet(net, prefix, 'ipv6')
  const global = new BlockList()
  global.addSubnet('2000::', 3, 'ipv6')
  const opened = new BlockList()
  for (const network of networks) addNetwork(opened, network)
  return {
    allows(text) {
      const address = plainAddress(text)
      const family = isIP(address)
      if (family === 0) return false
      const type = family === 4 ? 'ipv4' : 'ipv6'
      if (opened.check(address, type)) return true
      return !closed.check(address, type) && (family === 4 || global.check(address, type))
    },
  }
}

function addNetwork(list: BlockList, network: string): void {
  const [address = '', prefix, ...rest] = network.split('/')
  const family = isIP(address)
  const bits = family === 4 ? 32 : 128
  const length = prefix === undefined ? bits : Number(prefix)
  if (family === 0 || rest.length > 0 || !/^[0-9]{1,3}$/.test(prefix ?? '0') || length > bits)
    throw new RangeError(`expected an address or network, e.g. 127.0.0.1/32, got "${network}"`)
  list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6')
}

/** Without brackets and zone; an IPv4 address in IPv6 clothes as what it is. */
function plainAddress(text: string): string {
  const bare = text.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
  if (isIP(bare) !== 6) return bare
  const hex = new URL(`http://[${bare}]/`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(hex)
  if (mapped === null) return hex
  const [high = 0, low = 0] = [mapped[1], mapped[2]].map((part) => Number.parseInt(part ?? '0', 16))
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
