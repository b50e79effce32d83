import { isV4, readAddress } from '../core/conditions/address.ts'

/**
 * The network a client belongs to, for limits and logs: the /24 of an IPv4 address, the /48 of an IPv6 one (rule S10). A zone
 * (`%eth0`) is no part of it. What is not an address shares one prefix.
 */
export function clientPrefix(address: string): string {
  const words = new Uint32Array(4)
  const zone = address.indexOf('%')
  if (!readAddress(zone < 0 ? address : address.slice(0, zone), words)) return 'unknown'
  const [first = 0, second = 0, , last = 0] = words
  if (isV4(words)) return `${last >>> 24}.${(last >>> 16) & 255}.${(last >>> 8) & 255}.0/24`
  const group = (value: number): string => value.toString(16)
  return `${group(first >>> 16)}:${group(first & 0xffff)}:${group(second >>> 16)}::/48`
}
