/** What a real Aperture has sold opens here (protocol §4, stored root keys). Needs the lab: `TURNPIKE_LAB`, or `../shared/lab`. */

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { attenuateMacaroon, decodeMacaroon, encodeMacaroon, findL402Challenges } from '@turnpike/l402'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../packages/gateway/src/main.ts'
import { closeUpstreams, startUpstream } from '../packages/gateway/test/e2e/upstream.ts'
import { temporaryFolder, testIo } from '../packages/gateway/test/test-io.ts'

const lab = resolve(import.meta.dirname, '..', process.env['TURNPIKE_LAB'] ?? '../shared/lab')
const hasLab = existsSync(join(lab, 'aperture.mjs'))
if (!hasLab) console.log('SKIPPED: there is no lab with a real Aperture (TURNPIKE_LAB)')

interface Network {
  readonly nodes: { readonly seller: unknown }
  pay(node: string, invoice: string): Promise<{ readonly preimage: string }>
  close(): Promise<void>
}
interface Aperture {
  readonly url: string
  readonly database: string
  close(): Promise<void>
}

const configOf = (database: string): string => `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
store: memory
lightning: sandbox
challenges: { limit: off }
keys: { file: turnpike.key, aperture: "sqlite:${database}" }
services:
  weather:
    upstream: sample
    routes:
      - { match: "/forecast/*", price: 10 sat, capability: read, grants: { valid: 1h } }
      - { match: "/query", price: 10 sat, capability: write, grants: { calls: 5 } }
      - { match: "/metered", price: 10 sat, capability: read, grants: { credit: 10 sat }, charge: { fixed: 1 sat } }
  plain:
    upstream: sample
    routes:
      - { match: "/health", price: 10 sat, anyCapability: true, grants: { valid: 1h } }
      - { match: "/tab", price: 10 sat, anyCapability: true, grants: { credit: 10 sat }, charge: { fixed: 1 sat } }
`

describe.skipIf(!hasLab)(hasLab ? 'credentials that Aperture has sold' : 'SKIPPED: no lab', () => {
  const folder = temporaryFolder()
  let network: Network
  let aperture: Aperture
  let url = ''
  let stop = async (): Promise<void> => {}
  beforeAll(async () => {
    const module = (name: string) => import(pathToFileURL(join(lab, name)).href)
    network = await (await module('lightning.mjs')).startLightning()
    const upstream = await startUpstream()
    const address = `127.0.0.1:${upstream.port}`
    aperture = await (await module('aperture.mjs')).startAperture({
      node: network.nodes.seller,
      services: [
        {
          name: 'weather',
          path: '^/forecast/.*$',
          address,
          price: 10,
          more: { capabilities: 'read', timeout: 3600 },
        },
        { name: 'plain', path: '^/health$', address, price: 10 },
      ],
    })
  }, 400_000)
  afterAll(async () => {
    await stop()
    await aperture?.close()
    await network?.close()
    await closeUpstreams()
    rmSync(folder, { recursive: true })
  })

  /** Buys at Aperture, whose upstream answers with 200 then. */
  async function buy(path: string): Promise<string> {
    const refused = await fetch(`${aperture.url}${path}`)
    expect(refused.status).toBe(402)
    const challenge = findL402Challenges([refused.headers.get('www-authenticate') ?? '']).at(-1)
    const { preimage } = await network.pay('buyer', challenge?.invoice ?? '')
    const authorization = `L402 ${challenge?.macaroon}:${preimage}`
    expect((await fetch(`${aperture.url}${path}`, { headers: { authorization } })).status).toBe(200)
    return authorization
  }

  async function serve(): Promise<void> {
    writeFileSync(join(folder, 'turnpike.yaml'), configOf(aperture.database))
    const io = testIo(folder)
    if (!existsSync(join(folder, 'turnpike.key'))) expect(await run(['keys', 'new'], io)).toBe(0)
    const done = run(['serve', '--sandbox', '--ready-file', 'ready.json'], io)
    const ended = await Promise.race([io.seen('"serving"'), done])
    if (ended !== undefined) throw new Error(`ended with ${ended}: ${io.err()}`)
    url = JSON.parse(readFileSync(join(folder, 'ready.json'), 'utf8')).listen[0]
    stop = async () => {
      io.signal('SIGTERM')
      await done
    }
  }

  const ask = async (path: string, authorization: string): Promise<{ status: number; code?: string }> => {
    const answer = await fetch(`${url}${path}`, { headers: { authorization } })
    const body = (await answer.json().catch(() => ({}))) as { code?: string }
    return { status: answer.status, ...(body.code === undefined ? {} : { code: body.code }) }
  }

  it('open the routes they were sold for, and no others, while Aperture goes on running', async () => {
    const weather = await buy('/forecast/oslo')
    await serve()
    expect((await ask('/forecast/oslo', weather)).status).toBe(200)
    expect((await ask('/forecast/rome', weather)).status).toBe(200)
    expect(await ask('/query', weather)).toEqual({ status: 402, code: 'caveat_failed' })
    expect(await ask('/health', weather)).toEqual({ status: 402, code: 'wrong_service' })
    // Sold while both run; a service without capabilities.
    const plain = await buy('/health')
    expect((await ask('/health', plain)).status).toBe(200)
    expect(await ask('/forecast/oslo', plain)).toEqual({ status: 402, code: 'wrong_service' })
  })

  it('hold no credit, whatever is appended to them', async () => {
    const weather = await buy('/forecast/oslo')
    const plain = await buy('/health')
    const append = (authorization: string, ...caveats: string[]): string => {
      const [text = '', preimage = ''] = authorization.slice('L402 '.length).split(':')
      const macaroon = attenuateMacaroon(decodeMacaroon(Buffer.from(text, 'base64')), caveats)
      return `L402 ${Buffer.from(encodeMacaroon(macaroon)).toString('base64')}:${preimage}`
    }
    for (const credential of [weather, append(weather, 'weather_credit_msat=1000000')])
      expect(await ask('/metered', credential)).toEqual({ status: 402, code: 'caveat_failed' })
    for (const caveats of [['plain_credit_msat=9000'], ['plain_credit_msat=9000', 'plain_capabilities=read']])
      expect((await ask('/tab', append(plain, ...caveats))).status).toBe(402)
  })

  it('are refused where they were changed or never sold, and while the database cannot be read', async () => {
    const weather = await buy('/forecast/oslo')
    const preimage = weather.slice(-64)
    const forged = `${weather.slice(0, -64)}${preimage.startsWith('0') ? '1' : '0'}${preimage.slice(1)}`
    expect(await ask('/forecast/oslo', forged)).toEqual({ status: 402, code: 'bad_preimage' })
    const never = 'AgEEbHNhdAJCAAA'
    const unknown = Buffer.from(weather.slice('L402 '.length).split(':')[0] ?? '', 'base64')
    unknown[20] = (unknown[20] ?? 0) ^ 1
    expect(await ask('/forecast/oslo', `L402 ${unknown.toString('base64')}:${preimage}`)).toEqual({
      status: 402,
      code: 'unknown_key',
    })
    expect((await ask('/forecast/oslo', `L402 ${never}:${preimage}`)).status).toBe(402)
    expect((await ask('/forecast/oslo', weather)).status).toBe(200)
    rmSync(aperture.database)
    const fresh = Buffer.from(unknown)
    fresh[21] = (fresh[21] ?? 0) ^ 1
    expect(await ask('/forecast/oslo', `L402 ${fresh.toString('base64')}:${preimage}`)).toEqual({
      status: 503,
      code: 'store_unavailable',
    })
    // What was verified before needs no database.
    expect((await ask('/forecast/oslo', weather)).status).toBe(200)
  })
})
