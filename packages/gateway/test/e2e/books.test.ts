import { copyFileSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, type Response, until } from './client.ts'
import {
  type Bought,
  buy,
  cleanUp,
  configOf,
  folderWith,
  type Program,
  type StartOptions,
  serve,
} from './program.ts'
import { closeUpstreams, startUpstream, type Upstream } from './upstream.ts'

afterEach(async () => {
  await cleanUp()
  await closeUpstreams()
})

interface Shop {
  readonly gateway: Program
  readonly upstream: Upstream
  /** The ledger's folder. */
  readonly books: string
  readonly pass: Bought
  readonly bundle: Bought
}

/** A gateway with its ledger in a folder of its own, a pass, and a bundle of three calls. */
async function shop(options: StartOptions = {}): Promise<Shop> {
  const upstream = await startUpstream()
  const folder = folderWith(configOf({ upstream: upstream.origin, store: 'sqlite:books/ledger.db' }))
  const books = join(folder, 'books')
  mkdirSync(books)
  const gateway = await serve(folder, options)
  return {
    gateway,
    upstream,
    books,
    pass: await buy(gateway, '/pass/x'),
    bundle: await buy(gateway, '/paid/x'),
  }
}

const use = ({ gateway }: Shop, path: string, { authorization }: Bought): Promise<Response> =>
  ask(gateway.url, 'GET', path, { headers: { Authorization: authorization } })

/** Counted credentials are 503 with Retry-After and reach nothing; passes and free routes go on (rule 9). */
async function expectClosedBooks(where: Shop): Promise<void> {
  where.upstream.forget()
  for (let i = 0; i < 5; i++) {
    const refused = await use(where, '/paid/x', where.bundle)
    expect([refused.status, Number(refused.header('retry-after')) > 0]).toEqual([503, true])
    expect(refused.header('content-type')).toBe('application/problem+json')
    expect(JSON.parse(refused.body)).toMatchObject({ status: 503, code: 'store_unavailable' })
    expect(refused.body).not.toMatch(/sqlite|ledger|\//i)
  }
  expect(where.upstream.seen).toEqual([])
  expect((await use(where, '/pass/x', where.pass)).status).toBe(200)
  expect((await ask(where.gateway.url, 'GET', '/free/x')).status).toBe(200)
  expect((await ask(where.gateway.url, 'GET', '/paid/x')).status).toBe(402)
  const ready = await ask(where.gateway.admin, 'GET', '/readyz')
  expect([ready.status, JSON.parse(ready.body).checks.store]).toEqual([503, 'failed'])
  expect((await ask(where.gateway.admin, 'GET', '/healthz')).status).toBe(200)
}

async function expectUses(where: Shop, statuses: readonly number[]): Promise<void> {
  const got: number[] = []
  for (const _ of statuses) got.push((await use(where, '/paid/x', where.bundle)).status)
  expect(got).toEqual(statuses)
}

describe('books that cannot be written', () => {
  it('because the file was moved: closed until it is back, and then nothing is lost', async () => {
    const where = await shop()
    await expectUses(where, [200])
    const aside = join(where.gateway.folder, 'aside')
    renameSync(where.books, aside)
    await expectClosedBooks(where)
    renameSync(aside, where.books)
    await expectUses(where, [200, 200, 402])
    expect((await ask(where.gateway.admin, 'GET', '/readyz')).status).toBe(200)
  })

  it('because another file took its place', async () => {
    const where = await shop()
    await expectUses(where, [200])
    const file = join(where.books, 'ledger.db')
    renameSync(file, `${file}.real`)
    copyFileSync(`${file}.real`, file)
    await expectClosedBooks(where)
    writeFileSync(file, 'not a database')
    await expectClosedBooks(where)
  })

  it('because the folder is gone; it stops with 0 all the same', async () => {
    const where = await shop()
    rmSync(where.books, { recursive: true })
    await expectClosedBooks(where)
    expect((await where.gateway.stop()).code).toBe(0)
  })

  it('because the disk is full', async () => {
    // A limit on the size of files: what goes beyond it fails as on a full disk.
    const where = await shop({
      wrap: (command) => ['sh', '-c', 'ulimit -f 300 && exec "$@"', 'sh', ...command],
    })
    let served = 0
    await until(async () => {
      const bought = await buy(where.gateway, '/paid/x')
      const { status } = await use(where, '/paid/x', bought)
      if (status === 200) served++
      else expect(status).toBe(503)
      return status === 503
    }, 'the disk is full')
    expect(served).toBeGreaterThan(0)
    // Its own small write may still find room.
    await until(async () => (await ask(where.gateway.admin, 'GET', '/readyz')).status === 503, 'it says so')
    await expectClosedBooks(where)
    expect((await where.gateway.stop()).code).toBe(0)
  })

  it('because its bytes were trashed: never free', async () => {
    const where = await shop()
    await expectUses(where, [200])
    const file = join(where.books, 'ledger.db')
    writeFileSync(file, Buffer.alloc(statSync(file).size, 0x5a), { flag: 'r+' })
    where.upstream.forget()
    for (let i = 0; i < 8; i++)
      expect([200, 402, 503]).toContain((await use(where, '/paid/x', where.bundle)).status)
    expect(where.upstream.seen.length).toBeLessThanOrEqual(2)
    expect((await use(where, '/pass/x', where.pass)).status).toBe(200)
  })

  it('because another program writes: waited for, and others are served meanwhile', async () => {
    const where = await shop()
    const other = new DatabaseSync(join(where.books, 'ledger.db'))
    other.exec('BEGIN IMMEDIATE')
    const waiting = use(where, '/paid/x', where.bundle)
    for (let i = 0; i < 20; i++) expect((await use(where, '/pass/x', where.pass)).status).toBe(200)
    expect(where.upstream.seen.every(({ url }) => url === '/pass/x')).toBe(true)
    other.exec('ROLLBACK')
    other.close()
    expect((await waiting).status).toBe(200)
  })

  it('while an answer waits to begin: 503, and the call is given back once they can be', async () => {
    let answer: (() => void) | undefined
    const upstream = await startUpstream((_, res) => {
      if (answer === undefined) answer = () => void res.end('late')
      else res.end('ok')
    })
    const folder = folderWith(configOf({ upstream: upstream.origin, store: 'sqlite:books/ledger.db' }))
    const books = join(folder, 'books')
    mkdirSync(books)
    const gateway = await serve(folder)
    const bundle = await buy(gateway, '/paid/x')
    const where: Shop = { gateway, upstream, books, pass: bundle, bundle }
    const asked = use(where, '/paid/x', bundle)
    await until(() => answer !== undefined, 'the upstream was asked')
    renameSync(books, `${books}.aside`)
    answer?.()
    const refused = await asked
    expect([refused.status, refused.header('retry-after')]).toEqual([503, '5'])
    expect(refused.body).not.toContain('late')
    renameSync(`${books}.aside`, books)
    await until(async () => {
      const { body } = await ask(gateway.admin, 'GET', '/metrics')
      return /^turnpike_releases_total 1$/m.test(body)
    }, 'the call was given back')
    await expectUses(where, [200, 200, 200, 402])
  })
})
