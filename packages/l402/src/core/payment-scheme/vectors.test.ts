/** Aperture's vectors of the Payment scheme, read from where they are: `TURNPIKE_LAB`'s neighbour, or `../shared/vectors`. */

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decodeHex, decodeUtf8, encodeBase64Url, encodeHex, encodeUtf8 } from '../bytes.ts'
import { formatPaymentChallenge, parsePaymentChallenges, paymentChallengeId } from './challenge.ts'
import { parsePaymentCredential } from './credential.ts'
import { canonicalJson, decodeBase64Url } from './encoding.ts'

const root = resolve(import.meta.dirname, '../../../../..')
const lab = process.env['TURNPIKE_LAB'] ?? '../shared/lab'
const file = join(dirname(resolve(root, lab)), 'vectors', 'aperture-mpp-vectors.json')
const there = existsSync(file)
const vectors = there ? JSON.parse(readFileSync(file, 'utf8')) : {}
const title = 'Aperture’s vectors of the Payment scheme'

describe.skipIf(!there)(there ? title : `SKIPPED: no ${file.slice(-40)} (${title})`, () => {
  for (const { name, input, canonical, error } of vectors.canonicalization ?? [])
    it(`canonical JSON: ${name}`, () => {
      if (error) expect(() => canonicalJson(JSON.parse(input))).toThrow()
      else expect(canonicalJson(JSON.parse(input))).toBe(canonical)
    })

  for (const { name, encoded, decodedHex = '', canonical, error } of vectors.base64url ?? [])
    it(`base64url: ${name}`, () => {
      const bytes = decodeBase64Url(encoded)
      if (error) return expect(bytes).toBeUndefined()
      expect(encodeHex(bytes as Uint8Array)).toBe(decodedHex)
      if (canonical) expect(encodeBase64Url(bytes as Uint8Array)).toBe(encoded)
    })

  for (const { name, params, header, parsed } of vectors.challengeHeaders ?? [])
    it(`challenge: ${name}`, () => {
      expect(formatPaymentChallenge(params)).toBe(header)
      expect(parsePaymentChallenges([header])).toEqual([{ ...parsed, doubtful: false }])
    })

  for (const { name, header, challenges = [] } of vectors.challengeLists ?? [])
    it(`list of challenges: ${name}`, () => {
      const read = parsePaymentChallenges([header])
      expect(read.map(({ doubtful, ...challenge }) => challenge)).toEqual(challenges)
      // The first of two is taken as the vectors have it, and is nothing to pay for.
      expect(read.some(({ doubtful }) => doubtful)).toBe(name.startsWith('repeated parameter'))
    })

  const secret = decodeHex(vectors.hmacSecretHex ?? '') as Uint8Array
  for (const { name, params } of vectors.challengeIds ?? [])
    it(`id: ${name}`, () => expect(paymentChallengeId(secret, params)).toBe(params.id))

  for (const { name, credentialJson, header, error } of vectors.credentials ?? [])
    it(`credential: ${name}`, () => {
      const read = parsePaymentCredential(header)
      if (error) return expect(read).toBeUndefined()
      expect(read).toEqual(JSON.parse(credentialJson))
    })

  for (const { name, receiptJson, header } of vectors.receipts ?? [])
    it(`receipt: ${name}`, () => {
      // Not canonical, and with integers that a double cannot hold: the text is what is compared.
      expect(decodeUtf8(decodeBase64Url(header) as Uint8Array)).toBe(receiptJson)
      expect(encodeBase64Url(encodeUtf8(receiptJson))).toBe(header)
    })
})
