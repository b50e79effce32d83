import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeIdentifier, encodeMacaroon, mintMacaroon } from '@turnpike/l402'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../../test/support/folder.ts'
import { readTokenFiles } from './token-files.ts'

/** Bytes as Aperture's `l402.Token` serialises itself; lnget uses the same. */
function tokenBytes({ pending = false }: { readonly pending?: boolean } = {}): Buffer {
  const preimage = randomBytes(32)
  const paymentHash = createHash('sha256').update(preimage).digest()
  const identifier = encodeIdentifier({ paymentHash, tokenId: randomBytes(32) })
  const macaroon = encodeMacaroon(
    mintMacaroon({ rootKey: randomBytes(32), identifier, location: 'lsat', caveats: ['services=weather:0'] }),
  )
  const length = Buffer.alloc(4)
  length.writeUInt32BE(macaroon.length)
  const rest = Buffer.alloc(24)
  rest.writeBigUInt64BE(10_000n, 0)
  rest.writeBigUInt64BE(7n, 8)
  rest.writeBigInt64BE(1_750_000_000_123_456_789n, 16)
  return Buffer.concat([length, macaroon, paymentHash, pending ? Buffer.alloc(32) : preimage, rest])
}

function put(folder: string, name: string, bytes: Uint8Array | string): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), bytes, { mode: 0o600 })
  return join(folder, name)
}

describe('token files of other purses', () => {
  it("come from lnget's folders, by .domain or by the folder's name", () => {
    const store = join(temporaryFolder(), 'tokens')
    put(join(store, 'api.example.com'), 'l402.token', tokenBytes())
    put(join(store, 'api.example.org_8443'), 'l402.token', tokenBytes())
    put(join(store, 'xample.net'), 'l402.token', tokenBytes())
    put(join(store, 'xample.net'), '.domain', 'éxample.net\n')
    put(join(store, 'later.example.com'), 'l402.token.pending', tokenBytes({ pending: true }))
    put(join(store, 'nobody'), 'l402.token', tokenBytes())
    const read = readTokenFiles(store, undefined) ?? []
    const origins = read.flatMap((one) => ('credential' in one ? [one.credential.origin] : []))
    expect(origins).toEqual([
      'https://api.example.com',
      'https://api.example.org:8443',
      'https://xn--xample-9ua.net',
    ])
    expect(read.flatMap((one) => ('left' in one ? [one.left] : []))).toEqual([
      expect.stringContaining('pending'),
      expect.stringContaining('--origin'),
    ])
    // One of its files is known by where it lies, too.
    expect(readTokenFiles(join(store, 'api.example.com', 'l402.token'), undefined)).toMatchObject([
      { credential: { origin: 'https://api.example.com', costMsat: 10_007n } },
    ])
  })

  it("come from the folder of Aperture's client, which has to be told where they are good", () => {
    const folder = join(temporaryFolder(), 'mainnet')
    put(folder, 'lsat.token', tokenBytes())
    const origin = 'https://swap.example.com:11010'
    expect(readTokenFiles(folder, origin)).toMatchObject([
      { credential: { origin, boughtFor: `${origin} *` } },
    ])
    expect(readTokenFiles(folder, undefined)).toMatchObject([{ left: expect.stringContaining('--origin') }])
  })

  it('are told from other files and folders', () => {
    const folder = temporaryFolder()
    expect(readTokenFiles(put(folder, 'bundle.json', '{"fareBundle":1}'), undefined)).toBeUndefined()
    expect(readTokenFiles(put(folder, 'large', Buffer.alloc(20_000)), undefined)).toBeUndefined()
    expect(() => readTokenFiles(folder, undefined)).toThrow(/l402\.token or lsat\.token/)
    expect(() => readTokenFiles(join(folder, 'not-there'), undefined)).toThrow(/cannot read/)
    put(folder, 'l402.token', 'nonsense')
    expect(readTokenFiles(folder, 'https://a.example')).toMatchObject([
      { left: 'it is no token file of lnget or Aperture' },
    ])
  })
})
