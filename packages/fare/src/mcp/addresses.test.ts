import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressGuard } from './addresses.ts'

const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '172.15.255.255',
  '172.32.0.1',
  '100.63.0.1',
  '2606:4700::1111',
  '[2a00:1450::1]',
  '::ffff:1.1.1.1',
]
const CLOSED = [
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '[::1]',
  '::ffff:127.0.0.1',
  '::ffff:a00:1',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::',
  'fc00::1',
  'fd12::1',
  'fe80::1',
  'fe80::1%eth0',
  'ff02::1',
  '',
  'localhost',
  'example.com',
  '127.1',
  '0x7f000001',
]

describe('addressGuard', () => {
  it.each(PUBLIC)('opens %s', (address) => {
    expect(addressGuard([]).allows(address)).toBe(true)
  })

  it.each(CLOSED)('keeps "%s" closed', (address) => {
    expect(addressGuard([]).allows(address)).toBe(false)
  })

  it('opens what was named, in every spelling, and nothing beside it', () => {
    const guard = addressGuard(['127.0.0.1', '10.2.0.0/16', 'fd00::/8'])
    for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '[::ffff:7f00:1]', '10.2.3.4', 'fd12::1'])
      expect([address, guard.allows(address)]).toEqual([address, true])
    for (const address of ['127.0.0.2', '10.3.0.1', 'fc00::1', '::1'])
      expect([address, guard.allows(address)]).toEqual([address, false])
  })

  it.each([
    'x',
    '',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    'localhost',
    '10.0.0.1:80',
  ])('says that "%s" is no network', (network) => {
    expect(() => addressGuard([network])).toThrow(RangeError)
  })

  it('judges an IPv4 address in IPv6 clothes as itself', () => {
    const guard = addressGuard([])
    fc.assert(
      fc.property(fc.ipV4(), (address) => guard.allows(`::ffff:${address}`) === guard.allows(address)),
      { numRuns: 500 },
    )
  })
})
