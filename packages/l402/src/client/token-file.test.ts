import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { challengeOf } from '../../test/support/seller.ts'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { concatBytes, decodeBase64, decodeHex } from '../core/bytes.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { readTokenFile } from './token-file.ts'

let stage: Stage
beforeEach(async () => {
  stage = await setStage()
})
afterEach(() => stage.seller[Symbol.asyncDispose]())

/** A token file as Aperture's client writes it, of a token that the seller sold. */
function tokenFile(change: { otherHash?: boolean; preimage?: Uint8Array } = {}): Uint8Array {
  const { header, paymentHash } = challengeOf(stage.seller.secrets, { otherHash: change.otherHash ?? false })
  const macaroon = decodeBase64(findL402Challenges([header])[0]?.macaroon ?? '') ?? new Uint8Array()
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, macaroon.length)
  const rest = new Uint8Array(24)
  const view = new DataView(rest.buffer)
  view.setBigUint64(0, 10_000n)
  view.setBigUint64(8, 7n)
  view.setBigInt64(16, 1_750_000_000_123_456_789n)
  const hash = decodeHex(paymentHash) ?? new Uint8Array()
  const preimage = change.preimage ?? stage.seller.secrets.get(paymentHash) ?? new Uint8Array()
  return concatBytes(length, macaroon, hash, preimage, rest)
}

describe('a token file of lnget or Aperture', () => {
  it('becomes a credential that opens what it was bought for, and nothing is paid', async () => {
    const credential = readTokenFile(tokenFile(), { origin: stage.seller.origin })
    expect(credential).toMatchObject({
      origin: stage.seller.origin,
      costMsat: 10_007n,
      createdAtMs: 1_750_000_000_123,
      rejectedFor: [],
    })
    expect(await stage.purse.addCredential(credential)).toBe(true)
    expect(await stage.get()).toMatchObject({ kind: 'served', reused: true, credentialId: credential.id })
    expect(stage.wallet.paid).toEqual([])
    expect(await stage.spent()).toBe(0n)
  })

  it.each([
    ['is cut off', () => tokenFile().subarray(0, -1), 'malformed'],
    ['goes on', () => concatBytes(tokenFile(), new Uint8Array(1)), 'malformed'],
    ['is empty', () => new Uint8Array(), 'malformed'],
    ['claims a huge macaroon', () => new Uint8Array(200).fill(255), 'malformed'],
    ['is pending', () => tokenFile({ preimage: new Uint8Array(32) }), 'malformed'],
    ['is bound to another payment', () => tokenFile({ otherHash: true }), 'malformed'],
    ['proves nothing', () => tokenFile({ preimage: new Uint8Array(32).fill(1) }), 'lightning_invalid'],
  ])('is refused when it %s', (_, file, code) => {
    expect(() => readTokenFile(file(), { origin: 'https://api.example.com' })).toThrow(
      expect.objectContaining({ code }),
    )
  })

  it('needs an origin', () => {
    expect(() => readTokenFile(tokenFile(), { origin: 'api.example.com' })).toThrow(TypeError)
  })
})
