import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countReads } from '../../test/count-reads.ts'
import {
  base64,
  hex,
  M,
  macaroonHex,
  macaroonWith,
  N,
  otherHex,
  paid,
  plain,
  read,
} from '../../test/credentials.ts'
import { hostileText } from '../../test/hostile-text.ts'
import { encodeHex } from './bytes.ts'
import { credentialText, formatCredential, isCredentialLine, parseCredentials } from './credential.ts'

describe('any header lines', () => {
  const caveat = fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => !text.startsWith('preimage='))
  const macaroon = fc.array(caveat, { maxLength: 5 }).map((caveats) => macaroonWith(...caveats))
  const secret = fc.uint8Array({ minLength: 32, maxLength: 32 })

  it('hold what formatCredential wrote, joined or separate', () => {
    const bearer = fc.constantFrom('Bearer abc', 'Basic dXNlcjpwYXNz', 'Digest a="b", c=d')
    fc.assert(
      fc.property(
        fc.array(fc.oneof(bearer, fc.tuple(macaroon, secret)), { minLength: 1, maxLength: 6 }),
        (all) => {
          const lines = all.map((one) =>
            typeof one === 'string' ? one : formatCredential(base64(one[0]), one[1]),
          )
          const pairs = all.flatMap((one) =>
            typeof one === 'string' ? [] : [[base64(one[0]), encodeHex(one[1])]],
          )
          const expected = pairs.length === 0 ? 'missing' : pairs
          expect(read(...lines.flatMap((line) => ['Authorization', line]))).toEqual(expected)
          expect(read('Authorization', lines.join(', '))).toEqual(expected)
          expect(isCredentialLine('Authorization', lines.join(', '))).toBe(pairs.length > 0)
        },
      ),
    )
  })

  const part = fc.constantFrom(
    'L402',
    'LSAT ',
    'Bearer ',
    M,
    N,
    base64(paid),
    hex,
    otherHex,
    ':',
    ',',
    ' ',
    '\n',
    'é',
  )
  const value = fc.oneof(
    fc.array(part, { maxLength: 10 }).map((parts) => parts.join('')),
    fc.constantFrom(macaroonHex(paid), macaroonHex(plain)),
    fc.string({ unit: 'binary' }),
  )
  const name = fc.constantFrom(
    'Authorization',
    'authorization',
    'Macaroon',
    'Grpc-Metadata-Macaroon',
    'token',
    'Host',
  )
  const headers = fc.array(fc.tuple(name, value), { maxLength: 5 }).map((lines) => lines.flat())

  it('never throw, and the cache key says whether there is something to parse', () => {
    fc.assert(
      fc.property(headers, (lines) => {
        const result = parseCredentials(lines)
        expect(credentialText(lines) === undefined).toBe(!result.ok && result.reason === 'missing')
        if (result.ok) expect(result.credentials.every((one) => one.preimage.length === 32)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  it('that have the same key have the same outcome', () => {
    fc.assert(
      fc.property(headers, headers, (a, b) => {
        if (credentialText(a) === credentialText(b)) expect(parseCredentials(a)).toEqual(parseCredentials(b))
      }),
      { numRuns: 1000 },
    )
  })

  it('hold nothing that parses once the credential lines are taken out', () => {
    fc.assert(
      fc.property(headers, (lines) => {
        const left: string[] = []
        for (let i = 0; i < lines.length; i += 2) {
          const [key = '', text = ''] = lines.slice(i, i + 2)
          if (!isCredentialLine(key, text)) left.push(key, text)
        }
        expect(parseCredentials(left).ok).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })

  it.each(Object.entries(hostileText))('are gone through in linear time: %s', (_, make) => {
    for (const length of [8000, 64_000]) {
      const text = make(length)
      for (const field of ['Authorization', 'Macaroon', 'token']) {
        expect(countReads(() => credentialText([field, text]))).toBeLessThan(12 * length)
        expect(countReads(() => parseCredentials([field, text]))).toBeLessThan(12 * length)
        expect(countReads(() => isCredentialLine(field, text))).toBeLessThan(12 * length)
      }
    }
  })
})
