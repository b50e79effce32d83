/**
 * Keeps requests out of private networks: for callers that do not choose their URLs themselves, such as agents. What
 * decides is the address that a connection is made to, not the name: names resolve to whatever their owner likes.
 */

import { lookup as resolveName } from 'node:dns'
import { BlockList, isIP, type LookupFunction, type Socket } from 'node:net'
import { buildConnector } from 'undici'

/** What is not public: loopback, private, link-local, shared, reserved, multicast, documentation and transition ranges. */
const IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
/** All of IPv6 but the global unicast block, and in it what reaches IPv4 or nobody. */
const IPV6_IN_GLOBAL = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const privateV4 = blockList(IPV4)
const privateV6 = blockList(IPV6_IN_GLOBAL)
const globalV6 = blockList(['2000::/3'])

/** Thrown instead of connecting. The message names the address and no more. */
export class PrivateAddressError extends Error {
  readonly code = 'PRIVATE_ADDRESS'

  constructor(address: string) {
    super(`${address} is not a public address; requests to private networks are not allowed here`)
    this.name = 'PrivateAddressError'
  }
}

/** Whether an error, or one behind it, is a {@link PrivateAddressError}. */
export function isPrivateAddressError(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (at instanceof PrivateAddressError) return true
  }
  return false
}

/** Whether an IPv4 or IPv6 address is one of the public internet. An IPv4 address inside an IPv6 one counts as itself. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !privateV4.check(address, 'ipv4')
  // A zone index only ever stands with link-local addresses.
  if (family !== 6 || address.includes('%')) return false
  const mapped = /^::ffff:([\d.]+)$/i.exec(canonicalV6(address))?.[1]
  if (mapped !== undefined) return isPublicAddress(mapped)
  return globalV6.check(address, 'ipv6') && !privateV6.check(address, 'ipv6')
}

/** What is reachable although it is not public. */
export interface GuardOptions {
  /** Addresses or ranges such as `10.1.0.0/16` or `::1`. */
  readonly allow?: readonly string[]
}

/** Decides over addresses. */
export interface AddressGuard {
  allows(address: string): boolean
  /** Throws {@link PrivateAddressError}. */
  check(address: string): void
  /**
   * Resolves a name for `node:net`. One private address among public ones refuses the name: whoever mixes them is
   * about to swap them.
   */
  readonly lookup: LookupFunction
}

/**
 * Makes a guard.
 *
 * @throws RangeError for an entry of `allow` that is no address or range.
 */
export function addressGuard({ allow = [] }: GuardOptions = {}): AddressGuard {
  const allowed = blockList(allow)
  const allows = (address: string): boolean => {
    if (isPublicAddress(address)) return true
    const family = isIP(address)
    if (family === 0) return false
    const mapped = /^::ffff:([\d.]+)$/i.exec(family === 6 ? canonicalV6(address) : '')?.[1]
    return mapped === undefined
      ? allowed.check(address, family === 4 ? 'ipv4' : 'ipv6')
      : allowed.check(mapped, 'ipv4')
  }
  const check = (address: string): void => {
    if (!allows(address)) throw new PrivateAddressError(address)
  }
  const lookup: LookupFunction = (hostname, options, callback) => {
    resolveName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0)
      const refused = addresses.find(({ address }) => !allows(address))
      const [first] = addresses
      if (refused) return callback(new PrivateAddressError(refused.address), '', 0)
      if (options.all) return callback(null, addresses)
      callback(null, first?.address ?? '', first?.family ?? 0)
    })
  }
  return { allows, check, lookup }
}

/**
 * A connector for undici's dispatchers (`new Agent({ connect: guardedConnector(guard) })`). The name is checked as it
 * is resolved, and the peer of the connection once more before a byte of the request goes out.
 */
export function guardedConnector(
  guard: AddressGuard,
  options: Omit<buildConnector.BuildOptions, 'lookup'> = {},
): buildConnector.connector {
  const connect = buildConnector({ ...options, lookup: guard.lookup } as buildConnector.BuildOptions)
  return (target, callback) => {
    const host = target.hostname.replace(/^\[(.*)\]$/, '$1')
    // node:net resolves no names that are addresses.
    if (isIP(host) !== 0 && !guard.allows(host)) return callback(new PrivateAddressError(host), null)
    connect(target, (...[error, socket]) => {
      if (error) return callback(error, null)
      const address = peerOf(socket)
      if (address !== undefined && guard.allows(address)) return callback(null, socket)
      socket.destroy()
      callback(new PrivateAddressError(address ?? 'a connection without an address'), null)
    })
  }
}

function peerOf(socket: Socket): string | undefined {
  return socket.remoteAddress
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix, ...more] = range.split('/')
    const family = isIP(address)
    const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix)
    const legal = /^\d{1,3}$/.test(prefix ?? '0') && bits <= (family === 4 ? 32 : 128)
    if (family === 0 || more.length > 0 || !legal)
      throw new RangeError(`expected an address or network, e.g. 127.0.0.1/32, got "${range}"`)
    list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

/** With an IPv4 address inside written as one. */
function canonicalV6(address: string): string {
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text) ?? []
  if (high === undefined || low === undefined) return text
  const bytes = [high, low].flatMap((part) => [
    Number.parseInt(part, 16) >> 8,
    Number.parseInt(part, 16) & 255,
  ])
  return `::ffff:${bytes.join('.')}`
}
