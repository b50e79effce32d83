/**
 * The table of Aperture's behaviours, asked of a real Aperture: what the gateway is measured by is what Aperture does. Then our
 * gateway takes its place, with the same file and what it has sold. Needs the lab: `TURNPIKE_LAB`, or `../shared/lab`.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { diagnose } from '@turnpike/l402/conformance'
import { lndWallet } from '@turnpike/l402/lightning/lnd'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../packages/gateway/src/main.ts'
import { BEHAVIOURS } from '../packages/gateway/test/aperture/behaviours.ts'
import {
  behaviourServices,
  buy,
  present,
  statusOf,
  type Tried,
} from '../packages/gateway/test/aperture/server.ts'
import { type BehaviourUpstream, behaviourUpstream } from '../packages/gateway/test/aperture/upstream.ts'
import { closeUpstreams } from '../packages/gateway/test/e2e/upstream.ts'
import { temporaryFolder, testIo } from '../packages/gateway/test/test-io.ts'
import { type RunningAperture, startWholeAperture } from './lib/aperture.ts'
import { bakePayMacaroon, type LabNode } from './lib/lightning.ts'

const lab = resolve(import.meta.dirname, '..', process.env['TURNPIKE_LAB'] ?? '../shared/lab')
const hasLab = existsSync(join(lab, 'aperture.mjs'))
if (!hasLab) console.log('SKIPPED: there is no lab with a real Aperture (TURNPIKE_LAB)')

interface Network {
  readonly nodes: {
    readonly seller: { readonly grpc: string; readonly tls: string; readonly macaroonDir: string }
    readonly buyer: LabNode
  }
  pay(node: string, invoice: string): Promise<{ readonly preimage: string }>
  close(): Promise<void>
}

describe.skipIf(!hasLab)(hasLab ? 'a real Aperture' : 'SKIPPED: no lab', () => {
  const folder = temporaryFolder()
  let network: Network
  let aperture: RunningAperture
  let upstream: BehaviourUpstream
  let tried: Tried
  beforeAll(async () => {
    network = await (await import(pathToFileURL(join(lab, 'lightning.mjs')).href)).startLightning()
    upstream = await behaviourUpstream()
    mkdirSync(join(folder, 'public'))
    writeFileSync(join(folder, 'public/hello.txt'), 'hello')
    const { grpc, tls, macaroonDir } = network.nodes.seller
    aperture = await startWholeAperture(lab, {
      folder,
      config: (port) => ({
        listenaddr: `127.0.0.1:${port}`,
        insecure: true,
        debuglevel: 'error',
        basedir: folder,
        dbbackend: 'sqlite',
        sqlite: { databasefilename: join(folder, 'aperture.db') },
        authenticator: { network: 'regtest', lndhost: grpc, tlspath: tls, macdir: macaroonDir },
        staticroot: join(folder, 'public'),
        servestatic: true,
        services: behaviourServices(`127.0.0.1:${upstream.port}`),
      }),
    })
    tried = { url: aperture.url, pay: async (invoice) => (await network.pay('buyer', invoice)).preimage }
  }, 400_000)
  afterAll(async () => {
    await aperture?.close()
    await network?.close()
    await closeUpstreams()
    rmSync(folder, { recursive: true })
  })

  it.each(BEHAVIOURS.filter((row) => 'probe' in row))('$number: $what', async (row) => {
    expect(await row.probe(tried, upstream)).toEqual('release' in row ? row.release : row.aperture)
  })

  it('has the faults that are known of it, by rule', async () => {
    const { findings, clients } = await diagnose({ url: `${aperture.url}/on/a` })
    console.log(findings.map(({ severity, rule, what }) => `${severity} ${rule}: ${what}`).join('\n'))
    expect(findings.map(({ rule }) => rule)).toEqual(['S3', 'S2', 'S5', 'S6'])
    expect(clients.find(({ client }) => client === '402index')).toMatchObject({ buys: false })
    expect(clients.find(({ client }) => client === 'lnget')).toMatchObject({ buys: true })
  })

  it('has the faults that are known of what it sells, by rule', async () => {
    const { rest, tls } = network.nodes.buyer
    const macaroonFile = await bakePayMacaroon(network.nodes.buyer, folder)
    const wallet = await lndWallet({ url: rest, macaroonFile, tlsCertFile: tls })
    const { findings, paid } = await diagnose({
      url: `${aperture.url}/on/a`,
      pay: { wallet, mostMsat: 100_000n },
    }).finally(() => wallet.close())
    console.log(findings.map(({ severity, rule, what }) => `${severity} ${rule}: ${what}`).join('\n'))
    expect(paid).toMatchObject({ status: 'paid' })
    for (const what of [
      'the scheme in lower case is not taken (402)',
      'base64url without padding is not taken (402)',
      'a preimage in capitals is not taken (402)',
      'a copy that on_max_calls rules out passes',
      'a copy that on_methods rules out passes',
      'a copy that on_paths rules out passes',
      'a copy that crit rules out passes',
    ])
      expect(findings).toContainEqual(expect.objectContaining({ severity: 'warning', what }))
    // It holds to what it has always known.
    expect(findings.filter(({ severity }) => severity === 'error').map(({ rule }) => rule)).toEqual(['S3'])
  })

  it('is followed by our gateway with the same file, and what it has sold goes on', async () => {
    const [on, timed] = [await buy(tried, '/on/a'), await buy(tried, '/timed/a')]
    await aperture.close()
    // Beside it, so that the admin listener has a port of its own.
    const config = {
      ...JSON.parse(readFileSync(aperture.file, 'utf8')),
      prometheus: { enabled: true, listenaddr: '127.0.0.1:0' },
      debuglevel: 'info',
    }
    writeFileSync(aperture.file, JSON.stringify(config))
    const io = testIo(folder)
    const done = run(['serve', '--aperture', aperture.file, '--sandbox'], io)
    const ended = await Promise.race([io.seen('"serving"'), done])
    if (ended !== undefined) throw new Error(`ended with ${ended}: ${io.err()}`)
    try {
      // At the very address that clients know.
      expect(await statusOf(tried, '/on/a', present(on))).toBe(200)
      expect(await statusOf(tried, '/timed/a', present(timed))).toBe(200)
      expect(await statusOf(tried, '/other/a', present(on))).toBe(402)
      expect(await statusOf(tried, '/on/a')).toBe(402)
    } finally {
      io.signal('SIGTERM')
      await done
    }
  })
})
