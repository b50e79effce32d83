import { BlockList, isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readAddress } from './address.ts'
import { type Cidr, ip, parseCidr } from './ip.ts'

function blocks(text: string): readonly Cidr[] {
  const result = ip.parse(text)
  if (result === undefined) throw new Error(`does not parse: ${text}`)
  return result
}

const admits = (list: string, address: string): boolean => ip.admits(blocks(list), address)
const narrows = (later: string, earlier: string): boolean => ip.narrows(blocks(later), blocks(earlier))

describe('_ip (protocol §5)', () => {
  it.each([
    [
      '10.0.0.0/8',
      ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3', '::ffff:a01:203'],
      ['11.0.0.0', '9.255.255.255'],
    ],
    ['192.0.2.1/32', ['192.0.2.1'], ['192.0.2.0', '192.0.2.2']],
    ['192.0.2.1', ['192.0.2.1'], ['192.0.2.2']],
    ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255', '::ffff:1.2.3.4'], ['::', '::1', '2001:db8::1']],
    ['128.0.0.0/1', ['128.0.0.0', '255.1.2.3'], ['127.255.255.255']],
    [
      '2001:db8::/32',
      ['2001:db8::', '2001:DB8:ffff::1', '2001:0db8:0:0:0:0:0:1'],
      ['2001:db9::', '10.0.0.1'],
    ],
    ['::1/128', ['::1', '0:0:0:0:0:0:0:1'], ['::', '::2', '0.0.0.1']],
    ['::/0', ['::', '2001:db8::1', '::fffe:1.2.3.4'], ['1.2.3.4', '::ffff:1.2.3.4']],
    ['::ffff:10.0.0.0/104', ['10.9.9.9', '::ffff:10.9.9.9'], ['11.0.0.0']],
    ['10.0.0.0/8,2001:db8::/32', ['10.1.1.1', '2001:db8::1'], ['11.0.0.1']],
  ])('%s admits its addresses and no others', (list, yes, no) => {
    for (const address of yes) expect(admits(list, address), address).toBe(true)
    for (const address of no) expect(admits(list, address), address).toBe(false)
  })

  it('admits nothing that is not an address', () => {
    for (const address of ['', 'localhost', '10.0.0', '10.0.0.1 ', '10.0.0.1:80', '[::1]', 'fe80::1%eth0']) {
      expect(admits('0.0.0.0/0,::/0', address), address).toBe(false)
    }
  })

  it.each([
    ...[
      '',
      ',',
      '10.0.0.0/8,',
      ' 10.0.0.0/8',
      '10.0.0.0/8 ',
      '10.0.0.0/',
      '10.0.0.0/33',
      '10.0.0.0/08',
      '10.0.0.0/-1',
    ],
    ...[
      '10.0.0.0/+8',
      '10.0.0.0/8/8',
      '10.0.0.1/8',
      '10.0.0/8',
      '10/8',
      '010.0.0.0/8',
      '0x0a.0.0.0/8',
      '256.0.0.0/8',
    ],
    ...[
      '10.0.0.0.0/8',
      '1..2.3/32',
      '.1.2.3/32',
      '1.2.3./32',
      '167772160/8',
      '2001:db8::/129',
      '2001:db8::1/32',
    ],
    ...[
      '::ffff:0:0/95',
      ':::/0',
      ':/0',
      '1::2::3/128',
      '12345::/16',
      '1:2:3:4:5:6:7/128',
      '1:2:3:4:5:6:7:8:9/128',
    ],
    ...[
      '1:2:3:4:5:6:7::8/128',
      '1:2:3:4:5:6:7:1.2.3.4/128',
      '::1.2.3/128',
      '::g/128',
      '::1%lo/128',
      '1.2.3.4::/128',
    ],
    ...['1:2:3:4:5:6:7:/128', ':1:2:3:4:5:6:7/128', '::1.2.3.4:5/128', '*', '10.0.0.0/255.0.0.0'],
  ])('%j does not parse', (value) => {
    expect(ip.parse(value)).toBeUndefined()
  })

  it('takes 64 blocks and not 65: narrowing compares each with each', () => {
    const list = (length: number) => Array.from({ length }, (_, i) => `10.0.${i}.0/24`).join(',')
    expect(ip.parse(list(64))).toHaveLength(64)
    expect(ip.parse(list(65))).toBeUndefined()
  })

  it.each([
    ['10.1.0.0/16', '10.0.0.0/8', true],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['::ffff:10.1.0.0/112', '10.0.0.0/8', true],
    ['10.1.2.3,2001:db8:1::/48', '2001:db8::/32,10.0.0.0/8', true],
    ['10.0.0.0/7', '10.0.0.0/8', false],
    ['11.0.0.0/16', '10.0.0.0/8', false],
    ['10.0.0.0/8', '::/0', false],
    ['10.1.0.0/16,11.0.0.0/16', '10.0.0.0/8', false],
  ])('%s after %s narrows: %s', (later, earlier, expected) => {
    expect(narrows(later, earlier)).toBe(expected)
  })

  it('knows an address where Node does, and no other', () => {
    const words = new Uint32Array(4)
    const digits = fc.constantFrom(...'0123456789abcdefF:::::....%/ gx')
    const guess = fc.string({ unit: digits, maxLength: 20 })
    const group = fc.constantFrom('', '0', '1', 'ffff', '0db8', '12345', 'g', '1.2.3.4', '01.2.3.4')
    const close = fc.array(group, { maxLength: 9 }).map((groups) => groups.join(':'))
    const octet = fc.constantFrom('0', '1', '255', '256', '01', '', '1000')
    const dotted = fc.array(octet, { minLength: 3, maxLength: 5 }).map((octets) => octets.join('.'))
    fc.assert(
      fc.property(fc.oneof(guess, close, dotted, fc.ipV4(), fc.ipV6()), (text) => {
        const known = isIPv4(text) || (isIPv6(text) && !text.includes('%'))
        expect(readAddress(text, words)).toBe(known)
      }),
      { numRuns: 5000 },
    )
  })

  it('decides like Node, wherever block and address differ', () => {
    const tally = { in: 0, out: 0 }
    const v4 = (bits: bigint) => [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n).join('.')
    const v6 = (bits: bigint) =>
      Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(':')
    const bits = fc.bigInt(0n, 2n ** 128n - 1n)
    fc.assert(
      fc.property(fc.boolean(), bits, fc.nat(128), fc.nat(127), (short, random, prefix, flip) => {
        const size = short ? 32 : 128
        const length = prefix % (size + 1)
        const start = (BigInt.asUintN(size, random) >> BigInt(size - length)) << BigInt(size - length)
        const client = start ^ (1n << BigInt(flip % size))
        const [family, format] = short ? (['ipv4', v4] as const) : (['ipv6', v6] as const)
        const list = new BlockList()
        list.addSubnet(format(start), length, family)
        const expected = list.check(format(client), family)
        tally[expected ? 'in' : 'out']++
        expect(admits(`${format(start)}/${length}`, format(client))).toBe(expected)
        expect(admits(`${format(start)}/${length}`, format(start))).toBe(true)
        if (expected) expect(parseCidr(`${format(client)}/${length}`)).toBeUndefined()
      }),
      { numRuns: 2000 },
    )
    expect(tally.in).toBeGreaterThan(100)
    expect(tally.out).toBeGreaterThan(100)
  })

  it('narrows only to blocks whose addresses were all admitted', () => {
    const block = fc
      .tuple(
        fc.array(fc.constantFrom(0, 128, 255), { minLength: 4, maxLength: 4 }),
        fc.constantFrom(0, 1, 8, 9, 16, 32),
      )
      .map(([octets, bits]) => `${octets.join('.')}/${bits}`)
      .filter((text) => ip.parse(text) !== undefined)
    fc.assert(
      fc.property(block, block, fc.ipV4(), (later, earlier, address) => {
        if (!narrows(later, earlier)) return
        expect(admits(earlier, later.split('/')[0] as string)).toBe(true)
        if (admits(later, address)) expect(admits(earlier, address)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})
