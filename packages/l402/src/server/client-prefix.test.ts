import { describe, expect, it } from 'vitest'
import { clientPrefix } from './client-prefix.ts'

describe('the prefix of a client (S10)', () => {
  it.each([
    ['192.0.2.7', '192.0.2.0/24'],
    ['192.0.2.255', '192.0.2.0/24'],
    ['::ffff:192.0.2.7', '192.0.2.0/24'],
    ['255.255.255.255', '255.255.255.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:db8:1::', '2001:db8:1::/48'],
    ['::1', '0:0:0::/48'],
    ['', 'unknown'],
    ['unix:', 'unknown'],
    ['192.0.2.7:1234', 'unknown'],
  ])('of %j is %s', (address, prefix) => {
    expect(clientPrefix(address)).toBe(prefix)
  })
})
