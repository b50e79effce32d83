import { describe, expect, it } from 'vitest'
import { encodeHex } from '../bytes.ts'
import { sha256 } from '../hash.ts'
import { capabilities, isCapability } from './capabilities.ts'
import type { Condition } from './condition.ts'
import { crit } from './crit.ts'
import { methods } from './methods.ts'
import { origin } from './origin.ts'
import { preimage, provesPayment } from './preimage.ts'
import { opensService, services } from './services.ts'

function parsed<Value>(condition: Condition<Value>, value: string): Value {
  const result = condition.parse(value)
  if (result === undefined) throw new Error(`does not parse: ${value}`)
  return result
}

function narrows<Value>(condition: Condition<Value>, later: string, earlier: string): boolean {
  return condition.narrows(parsed(condition, later), parsed(condition, earlier))
}

describe('services', () => {
  it('opens a service in the tier it names', () => {
    const opened = parsed(services, 'weather:0,pool:1')
    expect(opensService(opened, 'weather', 0)).toBe(true)
    expect(opensService(opened, 'weather', 1)).toBe(false)
    expect(opensService(opened, 'pool', 1)).toBe(true)
    expect(opensService(opened, 'pool:1', 1)).toBe(false)
    expect(opensService(opened, 'Weather', 0)).toBe(false)
  })

  it.each([
    ...[
      '',
      ',',
      'a',
      'a:',
      ':0',
      'a:0,',
      ',a:0',
      'a:0,,b:0',
      'a:00',
      'a:-1',
      'a:+1',
      'a:1.0',
      'a: 0',
      'a:0 ',
    ],
    ...['a:256', 'a:1000', 'a:0x1', 'a:b:0', 'a::0', 'a:0:0', 'a\n:0', 'a:0\n', 'a:٣'],
  ])('does not parse %j', (value) => {
    expect(services.parse(value)).toBeUndefined()
  })

  it('narrows to a subset, where another tier is another entry', () => {
    expect(narrows(services, 'a:0', 'a:0,b:0')).toBe(true)
    expect(narrows(services, 'b:0,a:0', 'a:0,b:0')).toBe(true)
    expect(narrows(services, 'a:255', 'a:255')).toBe(true)
    expect(narrows(services, 'a:1', 'a:0')).toBe(false)
    expect(narrows(services, 'a:0,c:0', 'a:0,b:0')).toBe(false)
  })
})

describe('_capabilities', () => {
  it('holds any text between commas, as it is', () => {
    const held = parsed(capabilities, 'GET /forecast/*, spaced ,zażółć=⚡')
    expect(capabilities.admits(held, 'GET /forecast/*')).toBe(true)
    expect(capabilities.admits(held, ' spaced ')).toBe(true)
    expect(capabilities.admits(held, 'zażółć=⚡')).toBe(true)
    expect(capabilities.admits(held, 'spaced')).toBe(false)
    expect(capabilities.admits(held, 'GET /forecast/x')).toBe(false)
    expect(capabilities.admits(held, 'get /forecast/*')).toBe(false)
  })

  it('cannot name what holds a comma, such as a route of two methods', () => {
    expect(isCapability('GET /forecast/*')).toBe(true)
    expect(isCapability('GET,POST /query')).toBe(false)
    expect(isCapability('a\nb')).toBe(false)
    expect(isCapability('')).toBe(false)
    const held = parsed(capabilities, 'GET,POST /query')
    expect(capabilities.admits(held, 'GET,POST /query')).toBe(false)
  })

  it('may be empty: then only what needs none is admitted', () => {
    const none = parsed(capabilities, '')
    expect(capabilities.admits(none, '')).toBe(true)
    expect(capabilities.admits(none, 'a')).toBe(false)
    expect(narrows(capabilities, '', 'a')).toBe(true)
    expect(narrows(capabilities, 'a', '')).toBe(false)
  })

  it.each([',', 'a,', ',a', 'a,,b', 'a\nb', 'a\0', 'a\u007f', 'a\u0085', '\ta'])(
    'does not parse %j',
    (value) => {
      expect(capabilities.parse(value)).toBeUndefined()
    },
  )
})

describe('_methods', () => {
  it('admits HEAD where GET is admitted (rule S8)', () => {
    expect(methods.admits(parsed(methods, 'GET,POST'), 'HEAD')).toBe(true)
    expect(methods.admits(parsed(methods, 'POST'), 'HEAD')).toBe(false)
    expect(methods.admits(parsed(methods, 'HEAD'), 'GET')).toBe(false)
    expect(methods.admits(parsed(methods, 'HEAD'), 'HEAD')).toBe(true)
    expect(methods.admits(parsed(methods, 'GET'), 'get')).toBe(false)
    expect(methods.admits(parsed(methods, 'M-SEARCH'), 'M-SEARCH')).toBe(true)
  })

  it('narrows to methods that the earlier ones admit', () => {
    expect(narrows(methods, 'GET', 'GET,POST')).toBe(true)
    expect(narrows(methods, 'HEAD', 'GET')).toBe(true)
    expect(narrows(methods, 'GET', 'HEAD')).toBe(false)
    expect(narrows(methods, 'GET,PUT', 'GET,POST')).toBe(false)
  })

  it.each([
    '',
    ',',
    'get',
    'Get',
    'GET,',
    'GET, POST',
    ' GET',
    'GET POST',
    '*',
    '-',
    '1GET',
    'GE\u0000T',
    'ＧＥＴ',
  ])('does not parse %j', (value) => {
    expect(methods.parse(value)).toBeUndefined()
  })
})

describe('_origin', () => {
  it('admits the origins it lists, byte for byte', () => {
    const origins = parsed(origin, 'https://app.example,http://localhost:3000,https://[2001:db8::1]:8443')
    expect(origin.admits(origins, 'https://app.example')).toBe(true)
    expect(origin.admits(origins, 'http://localhost:3000')).toBe(true)
    expect(origin.admits(origins, 'https://[2001:db8::1]:8443')).toBe(true)
    expect(origin.admits(origins, 'https://app.example.evil')).toBe(false)
    expect(origin.admits(origins, 'http://app.example')).toBe(false)
    expect(origin.admits(origins, 'null')).toBe(false)
  })

  it('narrows to a subset', () => {
    expect(narrows(origin, 'https://a', 'https://a,https://b')).toBe(true)
    expect(narrows(origin, 'https://c', 'https://a,https://b')).toBe(false)
  })

  it.each([
    ...[
      '',
      'null',
      '*',
      'app.example',
      'https://',
      'https://a/',
      'https://a/b',
      'https://A',
      'HTTPS://a',
      'ftp://a',
    ],
    ...[
      'https://a:443',
      'http://a:80',
      'https://a:',
      'https://a:01',
      'https://u@a',
      'https://a,',
      'https://a b',
    ],
    ...['https://*.a', 'https://a\n', 'https://zażółć.pl'],
  ])('does not parse %j', (value) => {
    expect(origin.parse(value)).toBeUndefined()
  })
})

describe('crit', () => {
  it('names conditions, and each occurrence may ask for more', () => {
    expect(crit.parse('a,b')).toEqual(['a', 'b'])
    expect(narrows(crit, 'c', 'a,b')).toBe(true)
  })

  it.each(['', ',', 'a,', ',a', 'a,,b'])('does not parse %j', (value) => {
    expect(crit.parse(value)).toBeUndefined()
  })
})

describe('preimage', () => {
  const bytes = new Uint8Array(32).fill(0xab)

  it('is 64 hex digits of any case, and proves the payment of its hash', () => {
    expect(preimage.parse('ab'.repeat(32))).toEqual(bytes)
    expect(narrows(preimage, 'AB'.repeat(32), 'ab'.repeat(32))).toBe(true)
    expect(narrows(preimage, 'ac'.repeat(32), 'ab'.repeat(32))).toBe(false)
    expect(provesPayment(bytes, sha256(bytes))).toBe(true)
    expect(provesPayment(sha256(bytes), bytes)).toBe(false)
    expect(provesPayment(bytes, new Uint8Array())).toBe(false)
  })

  it.each([
    '',
    'ab',
    'ab'.repeat(31),
    'ab'.repeat(33),
    `${'ab'.repeat(31)}ag`,
    ` ${encodeHex(bytes).slice(1)}`,
  ])('does not parse %j', (value) => {
    expect(preimage.parse(value)).toBeUndefined()
  })
})
