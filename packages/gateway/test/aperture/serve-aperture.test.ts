import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { encodeIdentifier, encodeMacaroon, mintMacaroon } from '@turnpike/l402'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../src/main.ts'
import { ask } from '../e2e/client.ts'
import { closeUpstreams } from '../e2e/upstream.ts'
import { type TestIo, temporaryFolder, testIo } from '../test-io.ts'
import { BEHAVIOURS } from './behaviours.ts'
import { behaviourServices, present, statusOf, type Tried } from './server.ts'
import { type BehaviourUpstream, behaviourUpstream } from './upstream.ts'

const folder = temporaryFolder()
const root = resolve(import.meta.dirname, '../../../..')
let upstream: BehaviourUpstream
let running: { io: TestIo; tried: Tried; done: Promise<number> }

/** Root keys as Aperture keeps them. */
function apertureDatabase(file: string): DatabaseSync {
  const db = new DatabaseSync(file)
  db.exec(
    'CREATE TABLE secrets (id INTEGER PRIMARY KEY, hash BLOB UNIQUE NOT NULL, secret BLOB UNIQUE NOT NULL, created_at TIMESTAMP NOT NULL)',
  )
  return db
}

/** A credential as Aperture sells it. */
function sold(db: DatabaseSync, caveats: readonly string[]): { macaroon: string; preimage: string } {
  const [preimage, rootKey] = [randomBytes(32), randomBytes(32)]
  const paymentHash = createHash('sha256').update(preimage).digest()
  const identifier = encodeIdentifier({ paymentHash, tokenId: randomBytes(32) })
  db.prepare('INSERT INTO secrets (hash, secret, created_at) VALUES (?, ?, 0)').run(
    createHash('sha256').update(identifier).digest(),
    rootKey,
  )
  const macaroon = encodeMacaroon(mintMacaroon({ rootKey, identifier, location: 'lsat', caveats }))
  return { macaroon: Buffer.from(macaroon).toString('base64'), preimage: preimage.toString('hex') }
}

const configOf = (more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    listenaddr: '127.0.0.1:0',
    insecure: true,
    dbbackend: 'sqlite',
    sqlite: { databasefilename: join(folder, 'aperture.db') },
    prometheus: { enabled: true, listenaddr: '127.0.0.1:0' },
    authenticator: { network: 'regtest', lndhost: '127.0.0.1:10009', tlspath: 'tls.cert', macdir: '.' },
    staticroot: join(folder, 'public'),
    servestatic: true,
    services: behaviourServices(`127.0.0.1:${upstream.port}`),
    ...more,
  })

async function serve(file: string): Promise<typeof running> {
  const io = testIo(folder)
  const ready = `${file}.ready`
  const done = run(['serve', '--aperture', file, '--sandbox', '--ready-file', ready], io)
  const ended = await Promise.race([io.seen('"serving"'), done])
  if (ended !== undefined) throw new Error(`ended with ${ended}: ${io.err()}`)
  const { listen, admin } = JSON.parse(readFileSync(join(folder, ready), 'utf8'))
  const pay = async (invoice: string): Promise<string> => {
    const body = JSON.stringify({ invoice })
    const paid = await ask(admin, 'POST', '/sandbox/v1/pay', {
      headers: { 'Content-Type': 'application/json' },
      body,
    })
    return JSON.parse(paid.body).preimage
  }
  return { io, done, tried: { url: listen[0], pay } }
}

let database: DatabaseSync
beforeAll(async () => {
  upstream = await behaviourUpstream()
  mkdirSync(join(folder, 'public'))
  writeFileSync(join(folder, 'public/hello.txt'), 'hello')
  database = apertureDatabase(join(folder, 'aperture.db'))
  writeFileSync(join(folder, 'aperture.yaml'), configOf())
  running = await serve('aperture.yaml')
}, 60_000)
afterAll(async () => {
  running?.io.signal('SIGTERM')
  await running?.done
  database.close()
  await closeUpstreams()
  rmSync(folder, { recursive: true })
})

describe('a gateway that is started from an aperture.yaml', () => {
  it('has an answer to each of the 68 behaviours', () => {
    expect(BEHAVIOURS.map(({ number }) => number)).toEqual(
      Array.from({ length: 68 }, (_, index) => index + 1),
    )
  })

  it.each(BEHAVIOURS.filter((row) => 'probe' in row))('$number: $what', async (row) => {
    const asked = await row.probe(running.tried, upstream)
    expect(asked).toEqual('ours' in row ? row.ours : row.aperture)
    // What differs, differs for a reason, and what has a reason differs.
    expect(row.reason !== undefined).toBe('ours' in row)
    if ('ours' in row) expect(row.ours).not.toEqual(row.aperture)
  })

  it.each(BEHAVIOURS.filter((row) => 'testedIn' in row))(
    '$number is tested where the table says',
    ({ testedIn }) => {
      expect(testedIn.filter((file) => !existsSync(join(root, file)))).toEqual([])
    },
  )
})

describe('what Aperture sold', () => {
  it('opens what it was sold for, and nothing else', async () => {
    const on = sold(database, ['services=on:0', 'on_capabilities='])
    expect(await statusOf(running.tried, '/on/a', present(on))).toBe(200)
    expect(await statusOf(running.tried, '/on/skip', present(on))).toBe(200)
    expect(await statusOf(running.tried, '/other/a', present(on))).toBe(402)
    const everywhere = sold(database, [])
    expect(await statusOf(running.tried, '/on/a', present(everywhere))).toBe(402)
    const withCapabilities = sold(database, [
      'services=other:0',
      'other_capabilities=read,write',
      'volume=a=1=',
    ])
    expect(await statusOf(running.tried, '/other/a', present(withCapabilities))).toBe(200)
    const ended = sold(database, ['services=timed:0', 'timed_capabilities=', 'timed_valid_until=1600000000'])
    expect(await statusOf(running.tried, '/timed/a', present(ended))).toBe(402)
  })

  it('is what we mint, too: location, capabilities and constraints', async () => {
    const answer = await ask(running.tried.url, 'GET', '/other/a')
    const macaroon = /macaroon="([^"]+)"/.exec(answer.header('www-authenticate'))?.[1] ?? ''
    expect(macaroon.startsWith('AgEEbHNhdAJCAA')).toBe(true)
    const text = Buffer.from(macaroon, 'base64').toString('latin1')
    for (const caveat of ['services=other:0', 'other_capabilities=read,write', 'volume=a=1='])
      expect(text).toContain(caveat)
  })
})

it('freebies are for each network, then it is 402', async () => {
  const all: number[] = []
  for (let i = 0; i < 3; i++) all.push(await statusOf(running.tried, '/freebie/a'))
  expect(all).toEqual([200, 200, 402])
})

it('HUP reads the aperture.yaml again; a bad one changes nothing; a blocked address gets 403', async () => {
  writeFileSync(join(folder, 'second.yaml'), configOf({ servestatic: false }))
  const second = await serve('second.yaml')
  try {
    expect(await statusOf(second.tried, '/off/a')).toBe(200)
    writeFileSync(
      join(folder, 'second.yaml'),
      configOf({ services: [{ name: 'x', address: '127.0.0.1:1', auth: 'yes' }] }),
    )
    second.io.signal('SIGHUP')
    await second.io.seen('not a word that opens or closes a service')
    expect(await statusOf(second.tried, '/off/a')).toBe(200)
    writeFileSync(join(folder, 'second.yaml'), configOf({ servestatic: false, blocklist: ['127.0.0.1'] }))
    second.io.signal('SIGHUP')
    await second.io.seen('configuration reloaded')
    expect(await statusOf(second.tried, '/off/a')).toBe(403)
    expect(await statusOf(second.tried, '/on/a')).toBe(403)
  } finally {
    second.io.signal('SIGTERM')
    await second.done
  }
})
