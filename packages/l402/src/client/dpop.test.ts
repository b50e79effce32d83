import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Behaviour,
  challengeOf,
  type Seller,
  startSeller,
  testWallet,
} from '../../test/support/seller.ts'
import { encodeBase64Url, encodeUtf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import { memoryPurse } from '../stores/purse-memory/index.ts'
import { buyer } from './buyer.ts'
import { prepareRequest } from './prepare.ts'

let sellers: readonly [Seller, Seller]
beforeEach(async () => {
  const first = await startSeller()
  sellers = [first, await startSeller(first.secrets)]
})
afterEach(async () => {
  for (const seller of sellers) await seller[Symbol.asyncDispose]()
})

/** RFC 7638, of the key in a proof. */
function thumbprintOf(proof: unknown): string {
  const { jwk } = JSON.parse(Buffer.from(String(proof).split('.')[0] ?? '', 'base64url').toString())
  const { crv, kty, x, y } = jwk
  return encodeBase64Url(sha256(encodeUtf8(JSON.stringify({ crv, kty, x, y }))))
}

/** Binds to whatever key a proof comes with, and remembers it. */
function binding(seen: string[]): Behaviour {
  return ({ headers, paid }, response, { secrets }) => {
    if (paid !== undefined) return
    const caveats = ['services=weather:0']
    if (headers['dpop'] !== undefined) {
      seen.push(thumbprintOf(headers['dpop']))
      caveats.push(`dpop_jkt=${seen.at(-1)}`)
    }
    const { header } = challengeOf(secrets, { caveats })
    return response.writeHead(402, { 'www-authenticate': [header, 'DPoP algs="ES256"'] }).end()
  }
}

describe('the key that a credential is bound to', () => {
  it('is of one seller alone: another one that names it sells nothing, and sees no proof of it', async () => {
    const [first, second] = sellers
    const seen: string[] = []
    first.behaviour = binding(seen)
    const wallet = testWallet(first.secrets)
    // One run, so what it keeps in memory is there for both.
    const fare = buyer({ wallet, purse: memoryPurse() })
    const get = async (seller: Seller) => await fare.fetch(await prepareRequest(new URL('/x', seller.origin)))
    expect(await get(first)).toMatchObject({ kind: 'served' })
    expect(seen).toHaveLength(1)
    second.plan = { caveats: ['services=weather:0', `dpop_jkt=${seen[0]}`] }
    expect(await get(second)).toMatchObject({
      kind: 'unpayable',
      detail: expect.stringContaining('a key that is not in this purse'),
    })
    expect(wallet.paid).toHaveLength(1)
    expect(second.received.map(({ headers }) => headers['dpop'])).toEqual([undefined])
    // Where the other one offers to bind, it gets a key of its own.
    second.behaviour = binding(seen)
    expect(await get(second)).toMatchObject({ kind: 'served' })
    expect(new Set(seen).size).toBe(2)
  })
})
