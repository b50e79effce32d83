import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, it } from 'vitest'
import { type Bench, cookiesOf, payFor } from '../../test/matrix.ts'
import { encodeBase64Url, encodeUtf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'

// What clients of the matrix ask: see `openBench`.
const OWN = 'http://api.example'
const FOREIGN = 'https://evil.example'

/** What a request says of where it comes from does not say where it goes, for every adapter. */
export function itKnowsItsOwnOrigin(bench: () => Bench): void {
  it('takes a cookie to an unsafe method from its own origin alone, whatever the request calls its origin', async () => {
    const self = bench()
    const accept = ['Accept', 'text/html']
    const page = await self.send('GET', '/any', { headers: accept })
    const waiting = ['Cookie', cookiesOf(page)]
    await payFor(self, page)
    await self.send('GET', '/any', { headers: [...accept, ...waiting] })
    const paid = await self.send('GET', '/any', { headers: [...waiting, 'L402-Page', '00'] })
    expect(paid.body).toBe('{"state":"paid"}')
    const post = (origin: string) =>
      self.send('POST', '/any', { headers: ['Origin', origin, 'Cookie', cookiesOf(paid)], body: 'x' })
    expect((await post(FOREIGN)).status).toBe(402)
    expect((await post(OWN)).status).toBe(200)
  })

  it('checks proofs of possession against the URL that was asked, not the origin that the request states', async () => {
    const self = bench()
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const jwk = await exportJWK(publicKey)
    const proof = (origin: string, claims: object) =>
      new SignJWT({ htm: 'GET', htu: `${origin}/bound`, jti: randomUUID(), ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .setIssuedAt()
        .sign(privateKey)
    const stated = ['Origin', FOREIGN]
    const refusal = await self.send('GET', '/bound', { headers: [...stated, 'DPoP', await proof(OWN, {})] })
    const credential = await payFor(self, refusal)
    const ath = encodeBase64Url(sha256(encodeUtf8(credential.slice('L402 '.length))))
    const statusOf = async (origin: string): Promise<number> => {
      const headers = [...stated, 'Authorization', credential, 'DPoP', await proof(origin, { ath })]
      return (await self.send('GET', '/bound', { headers })).status
    }
    expect((await self.send('GET', '/bound', { headers: ['Authorization', credential] })).status).toBe(402)
    expect(await statusOf(FOREIGN)).toBe(402)
    expect(await statusOf(OWN)).toBe(200)
  })
}
