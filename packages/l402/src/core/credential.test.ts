import { describe, expect, it } from 'vitest'
import {
  base64,
  hex,
  M,
  macaroonHex,
  macaroonWith,
  N,
  oneCaveatMore,
  otherHex,
  paid,
  plain,
  preimage,
  read,
} from '../../test/credentials.ts'
import { encodeBase64, encodeUtf8 } from './bytes.ts'
import { credentialText, formatCredential, isCredentialLine, parseCredentials } from './credential.ts'
import type { HeaderLines } from './header-lines.ts'
import { encodeMacaroon } from './macaroon.ts'
import { formatPaymentCredential } from './payment-scheme/credential.ts'

const PAYMENT = formatPaymentCredential({
  challenge: { id: 'id', realm: 'api', method: 'lightning', intent: 'charge', request: 'e30' },
  payload: { preimage: hex },
})

describe('parseCredentials', () => {
  const urlSafe = M.replaceAll('+', '-').replaceAll('/', '_')

  it('has a test macaroon with padding and with digits that both alphabets spell differently', () => {
    expect(M).toMatch(/=$/)
    expect(urlSafe).not.toBe(M)
  })

  it.each([
    `L402 ${M}:${hex}`,
    `LSAT ${M}:${hex}`,
    `l402 ${M}:${hex}`,
    `lSaT ${M}:${hex.toUpperCase()}`,
    `L402   \t ${M}:${hex} `,
    `L402 ${urlSafe}:${hex}`,
    `L402 ${urlSafe.replaceAll('=', '')}:${hex}`,
    `L402 ${M.replaceAll('=', '')}:${hex}`,
    `${M}:${hex}`,
    ` ${M}:${hex}`,
    `Bearer x, L402 ${M}:${hex}`,
    `Bearer x, ${M}:${hex}`,
    `L402 ${M}:${hex}, Bearer L402 x`,
    `Digest a="b", c="d:e" , LSAT ${M}:${hex}`,
    `L402 junk, L402 ${M}:${hex}`,
    `L402 junk,${M}:${hex}`,
  ])('reads %s (V1, V2)', (value) => {
    expect(read('Authorization', value)).toEqual([[M, hex]])
  })

  it('reads several lines, in order, and the same lines joined (V2)', () => {
    const all = [
      [M, hex],
      [N, otherHex],
    ]
    const [a, b] = [`LSAT ${M}:${hex}`, `L402 ${N}:${otherHex}`]
    expect(read('Authorization', a, 'Accept', '*/*', 'authorization', b)).toEqual(all)
    for (const comma of [', ', ',', ' , ']) expect(read('AUTHORIZATION', a + comma + b)).toEqual(all)
    expect(read('Authorization', `${M}:${hex}, ${N}:${otherHex}`)).toEqual(all)
  })

  it('takes any good line, whatever stands beside it (V2)', () => {
    expect(read('Authorization', 'L402 junk', 'Authorization', `L402 ${M}:${hex}`)).toEqual([[M, hex]])
    expect(read('Authorization', `L402 ${M}:${hex}`, 'Authorization', 'Bearer x')).toEqual([[M, hex]])
    expect(read('Authorization', `L402 ${M}:${hex}`, 'Macaroon', 'junk')).toEqual([[M, hex]])
  })

  it.each(['Macaroon', 'macaroon', 'Grpc-Metadata-Macaroon', 'grpc-metadata-macaroon', 'token'])(
    'reads hex with a preimage caveat in %s, also beside a Bearer (V3)',
    (name) => {
      const text = macaroonHex(paid)
      expect(read(name, text)).toEqual([[base64(paid), hex]])
      expect(read('Authorization', 'Bearer x', name, text.toUpperCase())).toEqual([[base64(paid), hex]])
      expect(read(name, `${text}, ${text}`)).toHaveLength(2)
      expect(read(name, macaroonHex(plain))).toBe('malformed')
    },
  )

  it('wants the suffix and every preimage caveat to be the same (V4)', () => {
    expect(read('Authorization', `L402 ${base64(paid)}:${hex.toUpperCase()}`)).toEqual([[base64(paid), hex]])
    expect(read('Authorization', `L402 ${base64(paid)}:${otherHex}`)).toBe('bad_preimage')
    const twice = macaroonWith(`preimage=${hex}`, 'x=y', `preimage=${hex.toUpperCase()}`)
    expect(read('Macaroon', macaroonHex(twice))).toEqual([[base64(twice), hex]])
    const differing = macaroonWith(`preimage=${hex}`, `preimage=${otherHex}`)
    expect(read('Macaroon', macaroonHex(differing))).toBe('bad_preimage')
    expect(read('Macaroon', macaroonHex(differing), 'Authorization', 'L402 junk')).toBe('bad_preimage')
    expect(read('Macaroon', macaroonHex(differing), 'Authorization', `L402 ${M}:${hex}`)).toEqual([[M, hex]])
    for (const value of ['', 'ab', `${hex}0`, `${hex} `, ` ${hex}`, 'z'.repeat(64)]) {
      expect(read('Authorization', `L402 ${base64(macaroonWith(`preimage=${value}`))}:${hex}`)).toBe(
        'malformed',
      )
    }
  })

  it('takes no proof of payment from a caveat that it is not the first party to', () => {
    const third = {
      id: encodeUtf8(`preimage=${otherHex}`),
      location: 'x',
      verificationId: new Uint8Array(24),
    }
    const macaroon = { ...plain, caveats: [third] }
    expect(read('Macaroon', macaroonHex(macaroon))).toBe('malformed')
    expect(read('Authorization', `L402 ${base64(macaroon)}:${hex}`)).toEqual([[base64(macaroon), hex]])
  })

  it('takes several tokens before the colon for candidates with one preimage (V5)', () => {
    const both = [
      [M, hex],
      [N, hex],
    ]
    expect(read('Authorization', `L402 ${M},${N}:${hex}`)).toEqual(both)
    expect(read('Authorization', `L402 ${M} , ${N}:${hex}`)).toEqual(both)
    expect(read('Authorization', `L402 ${M},AgEE,,${N}:${hex}`)).toEqual(both)
    expect(read('Authorization', `Bearer x, L402 ${M},${N}:${hex}, Bearer y`)).toEqual(both)
  })

  it.each([
    [[]],
    [['Accept', 'text/html']],
    [['Authorization', '']],
    [['Authorization', `Bearer L402 ${M}:${hex}`]],
    [['Authorization', 'Basic dXNlcjpwYXNz']],
    [['Authorization', 'Payment eyJhIjoxfQ']],
    [['Authorization', `apikey:${hex}`]],
    [['Authorization', 'L4020 x']],
    [['X-Authorization', `L402 ${M}:${hex}`]],
    [['token', 'an-api-key']],
    [['token', '0xff']],
    [['Macaroon', '']],
    [['Authorization']],
  ])('finds no credential in %j', (headers) => {
    expect(read(...headers)).toBe('missing')
    expect(credentialText(headers)).toBeUndefined()
  })

  it.each([
    [['Authorization', 'L402']],
    [['Authorization', 'lsat ']],
    [['Authorization', 'L402 ,']],
    [['Authorization', 'L402 foo']],
    [['Authorization', `L402 ${M}`]],
    [['Authorization', `L402 ${M}:`]],
    [['Authorization', `L402 :${hex}`]],
    [['Authorization', `L402 ${M}:${hex}0`]],
    [['Authorization', `L402 ${M}:${hex.slice(1)}`]],
    [['Authorization', `L402 ${M}:${hex.slice(1)}g`]],
    [['Authorization', `L402 ${M}:${hex}:${hex}`]],
    [['Authorization', `L402 ${M} :${hex}`]],
    [['Authorization', `L402 ${M.slice(0, -8)}:${hex}`]],
    [['Authorization', `L402 é${M}:${hex}`]],
    [['Authorization', `Bearer x, L402 junk`]],
    [['Macaroon', 'foo']],
    [['Grpc-Metadata-Macaroon', 'foo']],
    [['Macaroon', M]],
    [['Macaroon', macaroonHex(paid).slice(2)]],
    [['token', macaroonHex(paid).slice(0, -2)]],
  ])('calls %j malformed', (headers) => {
    expect(read(...headers)).toBe('malformed')
    expect(credentialText(headers)).toBeTypeOf('string')
  })

  it('keeps the bounds of V6', () => {
    const filler = Array.from({ length: 63 }, (_, i) => `c=${i}`)
    const most = macaroonWith(...filler, `preimage=${hex}`)
    expect(read('Authorization', `L402 ${base64(most)}:${hex}`)).toEqual([[base64(most), hex]])
    expect(read('Authorization', `L402 ${encodeBase64(oneCaveatMore(most))}:${hex}`)).toBe('malformed')

    const big = macaroonWith(`c=${'x'.repeat(8075)}`)
    expect(encodeMacaroon(big)).toHaveLength(8192)
    expect(read('Authorization', `L402 ${base64(big)}:${hex}`)).toEqual([[base64(big), hex]])
    expect(read('Authorization', `L402 ${encodeBase64(oneCaveatMore(big))}:${hex}`)).toBe('malformed')

    const good = `L402 ${M}:${hex}`
    expect(read('Authorization', good.padEnd(16 * 1024))).toEqual([[M, hex]])
    expect(read('Authorization', good.padEnd(16 * 1024 + 1))).toBe('malformed')
    expect(read('Authorization', good, 'Macaroon', 'x'.repeat(16 * 1024))).toBe('malformed')
    expect(read('Authorization', good, 'Cookie', 'x'.repeat(16 * 1024))).toEqual([[M, hex]])

    expect(read('Authorization', `L402 ${`${M},`.repeat(15)}${M}:${hex}`)).toHaveLength(16)
    expect(read('Authorization', `L402 ${`${M},`.repeat(16)}${M}:${hex}`)).toBe('malformed')

    const full = base64(macaroonWith(...Array.from({ length: 64 }, (_, i) => `c=${i}`)))
    expect(read('Authorization', `L402 ${`${full},`.repeat(3)}${full}:${hex}`)).toHaveLength(4)
    expect(read('Authorization', `L402 ${`${full},`.repeat(4)}${M}:${hex}`)).toBe('malformed')
  })

  it('says what was expected and never what it got', () => {
    for (const value of [
      'L402 SECRET',
      `L402 SECRET:${hex}`,
      'L402 SECRET:SECRET',
      `L402 ${base64(paid)}:${otherHex}`,
    ]) {
      const result = parseCredentials(['Authorization', value])
      if (result.ok) throw new Error('expected a refusal')
      expect(result.detail).toMatch(/^expected /)
      for (const secret of ['SECRET', hex, otherHex, base64(paid)])
        expect(result.detail).not.toContain(secret)
    }
  })
})

describe('formatCredential', () => {
  it('writes the macaroon as it was received and the preimage in lower case', () => {
    expect(formatCredential('-_8', preimage)).toBe(`L402 -_8:${hex}`)
  })

  it('refuses what would break the header, without quoting it', () => {
    for (const text of ['', 'a b', 'a:b', 'a,b', 'a\r\nX: y', 'é']) {
      expect(() => formatCredential(text, preimage)).toThrow(
        new TypeError('macaroonText: expected base64 text'),
      )
    }
    expect(() => formatCredential('TQ', preimage.subarray(1))).toThrow(RangeError)
  })
})

describe('credentialText', () => {
  it('is the value itself for one line, wherever it stands', () => {
    const value = `Bearer x, L402 ${M}:${hex}`
    expect(credentialText(['Host', 'a', 'Authorization', value, 'Authorization', 'Bearer y'])).toBe(value)
    expect(credentialText(['Authorization', `${M}:${hex}`])).toBe(`${M}:${hex}`)
  })

  it('tells lines apart that look alike', () => {
    const value = `L402 ${M}:${hex}`
    const alike: HeaderLines[] = [
      ['Authorization', value],
      ['Macaroon', value],
      ['Grpc-Metadata-Macaroon', value],
      ['Authorization', value, 'Authorization', value],
      ['Authorization', `${value}, ${value}`],
      ['Authorization', `${value}\n${value}`],
      ['Authorization', `authorization ${value.length}\n${value}, ${value}`],
      ['Macaroon', value, 'Authorization', value],
      ['Authorization', value, 'Macaroon', value],
    ]
    expect(new Set(alike.map(credentialText)).size).toBe(alike.length)
  })
})

describe('isCredentialLine', () => {
  it.each([
    ['Authorization', `L402 ${M}:${hex}`],
    ['authorization', 'lsat x'],
    ['Authorization', 'L402'],
    ['Authorization', `${M}:${hex}`],
    ['Authorization', `Bearer x, L402 ${M}:${hex}`],
    ['Authorization', `Bearer x, ${M}:${hex}`],
    ['Authorization', `L402 ${M}:${hex}, Bearer x`],
    ['Authorization', `${'x,'.repeat(16)}x:${hex}`],
    ['Macaroon', macaroonHex(paid)],
    ['grpc-metadata-macaroon', macaroonHex(paid).toUpperCase()],
    ['Token', `x, ${macaroonHex(paid)}`],
    ['Authorization', `Bearer x, ${PAYMENT}`],
    ['Authorization', `Basic eDp5, Bearer x,${PAYMENT}, Bearer y`],
    ['Authorization', `${PAYMENT}, Bearer x`],
  ])('keeps %s: %s from the upstream', (name, value) => {
    expect(isCredentialLine(name, value)).toBe(true)
  })

  it.each([
    ['Authorization', 'Bearer x'],
    ['Authorization', 'Basic dXNlcjpwYXNz'],
    ['Authorization', `Bearer ${M}:${hex}`],
    ['Authorization', `apikey:${hex}`],
    ['Authorization', 'Bearer x, Payment eyJhIjoxfQ'],
    ['Authorization', ''],
    ['Macaroon', 'almond'],
    ['token', 'an-api-key'],
    ['token', ''],
    ['X-Token', `L402 ${M}:${hex}`],
    ['Proxy-Authorization', `L402 ${M}:${hex}`],
  ])('lets %s: %s through', (name, value) => {
    expect(isCredentialLine(name, value)).toBe(false)
  })
})
