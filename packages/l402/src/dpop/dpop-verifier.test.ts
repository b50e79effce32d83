import fc from 'fast-check'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { encodeUtf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import type { ProofRequest } from '../server/dpop.ts'
import { dpopVerifier } from './dpop-verifier.ts'

const verify = dpopVerifier()
const NOW = 1_800_000_000
const TOKEN = `AgEEbHNhdAJCAAD:${'00'.repeat(32)}`
const ath = Buffer.from(sha256(encodeUtf8(TOKEN))).toString('base64url')
const URL_ = 'https://api.example/v1/chat'

interface Key {
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}
const keys = new Map<string, Key>()
const ALGORITHMS = ['ES256', 'ES384', 'EdDSA', 'PS256', 'RS256']
const keyOf = (alg: string): Key => {
  const key = keys.get(alg)
  if (key === undefined) throw new Error(alg)
  return key
}
beforeAll(async () => {
  for (const alg of ALGORITHMS) {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    keys.set(alg, { alg, privateKey, jwk: await exportJWK(publicKey) })
  }
})

interface Made {
  readonly header?: Record<string, unknown>
  readonly claims?: Record<string, unknown>
  readonly key?: Key
}

async function proof({ header = {}, claims = {}, key = keyOf('ES256') }: Made = {}): Promise<string> {
  return new SignJWT({ htm: 'POST', htu: URL_, iat: NOW, jti: 'one', ath, ...claims })
    .setProtectedHeader({ alg: key.alg, typ: 'dpop+jwt', jwk: key.jwk, ...header })
    .sign(key.privateKey)
}

const request = (line: string | readonly string[], more: Partial<ProofRequest> = {}): ProofRequest => ({
  method: 'POST',
  url: URL_,
  headers: typeof line === 'string' ? ['DPoP', line] : line,
  tokens: ['AgEEbHNhdAJCAAD', TOKEN],
  nowMs: NOW * 1000,
  ...more,
})

describe('a proof of possession (RFC 9449)', () => {
  it.each(ALGORITHMS)('made with %s names its key, and the same proof has the same mark', async (alg) => {
    const key = keyOf(alg)
    const line = await proof({ key })
    const first = await verify(request(line))
    const thumbprint = await calculateJwkThumbprint(key.jwk)
    expect(first).toEqual({ ok: true, thumbprint, mark: expect.any(Uint8Array), untilMs: expect.any(Number) })
    const other = await verify(request(await proof({ key, claims: { jti: 'two' } })))
    if (!first.ok || !other.ok) throw new Error('expected proofs')
    expect(first.mark).toHaveLength(32)
    expect(first.mark).not.toEqual(other.mark)
    const again = await verify(request(await proof({ key })))
    expect(again.ok && again.mark).toEqual(first.mark)
    // Remembered until it is too old on a clock that was set back by two hours.
    expect(first.untilMs).toBe((NOW + 120 + 7200) * 1000)
  })

  it.each<[string, Made]>([
    ['another method', { claims: { htm: 'GET' } }],
    ['a method in lower case', { claims: { htm: 'post' } }],
    ['no method', { claims: { htm: undefined } }],
    ['another path', { claims: { htu: 'https://api.example/v1/other' } }],
    ['another host', { claims: { htu: 'https://evil.example/v1/chat' } }],
    ['another scheme', { claims: { htu: 'http://api.example/v1/chat' } }],
    ['another port', { claims: { htu: 'https://api.example:8443/v1/chat' } }],
    ['a user in the URL', { claims: { htu: 'https://api.example@evil.example/v1/chat' } }],
    ['a relative URL', { claims: { htu: '/v1/chat' } }],
    ['no URL', { claims: { htu: undefined } }],
    ['a list of URLs', { claims: { htu: [URL_] } }],
    ['a time too long ago', { claims: { iat: NOW - 121 } }],
    ['a time ahead', { claims: { iat: NOW + 31 } }],
    ['a time in words', { claims: { iat: String(NOW) } }],
    ['no id', { claims: { jti: undefined } }],
    ['an empty id', { claims: { jti: '' } }],
    ['an endless id', { claims: { jti: 'x'.repeat(257) } }],
    ['another credential', { claims: { ath: ath.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')) } }],
    ['no credential', { claims: { ath: undefined } }],
    ['another type', { header: { typ: 'jwt' } }],
    ['no type', { header: { typ: undefined } }],
    ['no key', { header: { jwk: undefined } }],
  ])('does not hold with %s', async (_, made) => {
    const outcome = await verify(request(await proof(made)))
    expect(outcome).toMatchObject({ ok: false, detail: expect.stringContaining('expected') })
  })

  it('does not hold with a private or symmetric key in it, nor by a key it does not name', async () => {
    const key = keyOf('ES256')
    const secret = await exportJWK(key.privateKey)
    expect((await verify(request(await proof({ header: { jwk: secret } })))).ok).toBe(false)
    const other = await exportJWK((await generateKeyPair('ES256')).publicKey)
    expect((await verify(request(await proof({ header: { jwk: other } })))).ok).toBe(false)
    const shared = new Uint8Array(32).fill(1)
    const k = Buffer.from(shared).toString('base64url')
    const mac = await new SignJWT({ htm: 'POST', htu: URL_, iat: NOW, jti: 'one', ath })
      .setProtectedHeader({ alg: 'HS256', typ: 'dpop+jwt', jwk: { kty: 'oct', k } as object })
      .sign(shared)
    expect((await verify(request(mac))).ok).toBe(false)
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const none = `${part({ alg: 'none', typ: 'dpop+jwt', jwk: key.jwk })}.${part({ htm: 'POST' })}.`
    expect((await verify(request(none))).ok).toBe(false)
  })

  it('stands in one line alone', async () => {
    const line = await proof()
    const two = await proof({ claims: { jti: 'two' } })
    for (const headers of [
      [],
      ['DPoP', line, 'dpop', two],
      ['DPoP', `${line}, ${two}`],
      ['DPoP', 'x'.repeat(9000)],
    ])
      expect((await verify(request(headers))).ok).toBe(false)
    expect((await verify(request(['dpop', ` ${line} `]))).ok).toBe(true)
  })

  it.each([
    'https://api.example/v1/chat?x=1',
    'https://api.example/v1/chat#here',
    'HTTPS://API.EXAMPLE/v1/chat',
    'https://api.example:443/v1/chat',
    'https://api.example/v1/./chat',
    'https://api.example/v1/%63hat',
    'https://api.example//v1/x/../chat',
  ])('may spell the URL %s', async (htu) => {
    expect((await verify(request(await proof({ claims: { htu } })))).ok).toBe(true)
  })

  it('may hash the credential or its macaroon alone, and nothing where there is none yet', async () => {
    const macaroon = Buffer.from(sha256(encodeUtf8('AgEEbHNhdAJCAAD'))).toString('base64url')
    expect((await verify(request(await proof({ claims: { ath: macaroon } })))).ok).toBe(true)
    const bare = await proof({ claims: { ath: undefined } })
    expect((await verify(request(bare, { tokens: [] }))).ok).toBe(true)
  })

  it('never throws, whatever is changed in it, and holds for no other bytes', async () => {
    const line = await proof()
    const texts = fc.oneof(
      fc.string(),
      fc
        .tuple(fc.nat(line.length - 1), fc.string({ minLength: 1, maxLength: 1 }))
        .map(([at, character]) => line.slice(0, at) + character + line.slice(at + 1)),
      fc.nat(line.length).map((length) => line.slice(0, length)),
    )
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const outcome = await verify(request(text))
        // The last digit's unused bits do not change the signature's bytes.
        if (
          text.trim() !== line &&
          Buffer.from(text, 'base64url').toString('hex') !== Buffer.from(line, 'base64url').toString('hex')
        )
          expect(outcome.ok && text.slice(0, -1) !== line.slice(0, -1)).toBe(false)
        if (!outcome.ok) expect(outcome.detail).not.toContain(text.length > 12 ? text : '\n')
      }),
      { numRuns: 300 },
    )
  })

  it('wants options in range', () => {
    expect(() => dpopVerifier({ maxAgeSeconds: -1 })).toThrow(RangeError)
    expect(() => dpopVerifier({ maxSkewSeconds: 0.5 })).toThrow(RangeError)
  })
})
