import { describe, expect, it } from 'vitest'
import { BUNDLE, bench, METERED, PASS, passed, refused } from '../../test/gate-bench.ts'
import { decodeBase64, encodeBase64 } from '../core/bytes.ts'
import { mintMacaroon } from '../core/chain.ts'
import { formatCredential } from '../core/credential.ts'
import { L402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import { encodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon, encodeMacaroon } from '../core/macaroon.ts'
import { routeTerms } from './route-terms.ts'
import { storedLookup } from './stored-lookup.ts'

const rootKey = new Uint8Array(32).fill(5)
let serial = 0

/** What another server has sold, with a root key of its own. */
function sold(caveats: readonly string[]): { credential: string; hash: string } {
  const preimage = new Uint8Array(32).fill(++serial)
  const identifier = encodeIdentifier({
    paymentHash: sha256(preimage),
    tokenId: new Uint8Array(32).fill(serial),
  })
  const macaroon = mintMacaroon({ rootKey, identifier, location: 'lsat', caveats })
  const credential = formatCredential(encodeBase64(encodeMacaroon(macaroon)), preimage)
  return { credential, hash: Buffer.from(sha256(identifier)).toString('hex') }
}

function store() {
  const known = new Set<string>()
  const self = {
    asked: 0,
    down: false,
    known,
    keys: {
      async rootKey(hash: Uint8Array): Promise<Uint8Array | undefined> {
        self.asked++
        if (self.down) throw new L402Error('store_unavailable', 'away')
        return known.has(Buffer.from(hash).toString('hex')) ? rootKey : undefined
      },
      close: async () => {},
    },
  }
  return self
}

describe('stored root keys (protocol §4)', () => {
  it('open what another server sold, asked once for each credential', async () => {
    const stored = store()
    const self = bench({ storedKeys: stored.keys })
    const { credential, hash } = sold(['services=weather:0', 'weather_capabilities=GET /forecast/*'])
    stored.known.add(hash)
    for (let n = 0; n < 3; n++) passed(await self.ask(PASS, credential))
    expect(stored.asked).toBe(1)
    expect(refused(await self.ask(BUNDLE, credential)).reason).toBe('caveat_failed')
    expect(await self.gate.balance(['Authorization', credential])).toMatchObject({
      services: [{ service: 'weather', usable: true, credit: null }],
    })
    // What this server sells is never looked up.
    passed(await self.ask(PASS, await self.buy(PASS)))
    expect(stored.asked).toBe(1)
    await self.ledger.revoke({ tokenId: new Uint8Array(32).fill(serial) })
    expect(refused(await self.ask(PASS, credential)).reason).toBe('revoked')
  })

  it('open a route that needs no capability, and hold no credit whatever is appended', async () => {
    const stored = store()
    const self = bench({ storedKeys: stored.keys })
    const open = routeTerms('weather', '/open', { price: '1 sat', anyCapability: true })
    const tab = routeTerms('weather', '/tab', {
      price: '1 sat',
      anyCapability: true,
      grants: { credit: '1 sat' },
      charge: { fixed: '1 sat' },
    })
    const forged = ['services=weather:0', 'weather_credit_msat=900000', 'weather_capabilities=x']
    for (const caveats of [['services=weather:0'], ['services=weather:0', 'weather_capabilities='], forged]) {
      const { credential, hash } = sold(caveats)
      stored.known.add(hash)
      if (caveats !== forged) passed(await self.ask(open, credential))
      for (const metered of [tab, METERED])
        expect(refused(await self.ask(metered, credential)).reason).toBe('caveat_failed')
    }
  })

  it('that are not there answer unknown_key, and are not asked for again', async () => {
    const stored = store()
    const self = bench({ storedKeys: stored.keys })
    const { credential } = sold(['services=weather:0'])
    for (let n = 0; n < 5; n++) expect(refused(await self.ask(PASS, credential)).reason).toBe('unknown_key')
    expect(stored.asked).toBe(1)
  })

  it('that cannot be read answer 503 to their credentials alone', async () => {
    const stored = store()
    stored.down = true
    const self = bench({ storedKeys: stored.keys })
    expect(refused(await self.ask(PASS, sold(['services=weather:0']).credential)).status).toBe(503)
    passed(await self.ask(PASS, await self.buy(PASS)))
    expect(refused(await self.ask(PASS)).status).toBe(402)
  })

  it('that do not fit the chain or the payment are no better than none', async () => {
    const stored = store()
    const self = bench({ storedKeys: stored.keys })
    const { credential, hash } = sold(['services=weather:0', 'weather_capabilities=GET /forecast/*'])
    stored.known.add(hash)
    const [text = ''] = credential.slice('L402 '.length).split(':')
    const other = formatCredential(text, new Uint8Array(32))
    expect(refused(await self.ask(PASS, other)).reason).toBe('bad_preimage')
    const macaroon = decodeMacaroon(decodeBase64(text) as Uint8Array)
    const cut = encodeBase64(encodeMacaroon({ ...macaroon, caveats: macaroon.caveats.slice(0, 1) }))
    expect(refused(await self.ask(PASS, `L402 ${cut}:${'01'.repeat(32)}`)).reason).toBe('bad_signature')
  })

  it('bound the look-ups that run at once, and share those of one identifier', async () => {
    let release = (): void => {}
    const held = new Promise<undefined>((resolve) => {
      release = () => resolve(undefined)
    })
    let asked = 0
    const lookup = storedLookup({
      rootKey: () => {
        asked++
        return held
      },
      close: async () => {},
    })
    const identifier = (n: number): Uint8Array => new Uint8Array(66).fill(n)
    const running = Array.from({ length: 64 }, (_, n) => lookup(identifier(n)))
    const shared = lookup(identifier(0))
    await expect(lookup(identifier(64))).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(asked).toBe(64)
    release()
    await Promise.all([...running, shared])
    expect(await lookup(identifier(64))).toBeUndefined()
    expect(await lookup(new Uint8Array(65))).toBeUndefined()
    expect(asked).toBe(65)
  })
})
