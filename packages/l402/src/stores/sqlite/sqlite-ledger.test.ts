import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Ledger } from '../ledger.ts'
import {
  describeLedger,
  freshKey,
  freshRedemption,
  request,
  reserved,
  use,
  usedOf,
} from '../ledger-contract.test-suite.ts'
import { type SqliteStoreOptions, sqliteStore } from './index.ts'
import { connect } from './schema.ts'

const folder = mkdtempSync(join(tmpdir(), 'turnpike-ledger-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const freshFile = (): string => join(folder, `${++files}.db`)

describeLedger('sqliteStore', async (now) => {
  const file = freshFile()
  let ledger = sqliteStore({ file, now })
  return {
    ledger,
    restart: async () => {
      await ledger.close()
      ledger = sqliteStore({ file, now })
      return ledger
    },
  }
})

/** What `open` throws. */
function fault(open: () => unknown): unknown {
  try {
    open()
  } catch (error) {
    return error
  }
  return undefined
}

describe('a ledger file', () => {
  let file: string
  beforeEach(() => {
    file = freshFile()
  })

  it('is readable by its owner alone, and so is everything beside it', async () => {
    const ledger = sqliteStore({ file })
    await ledger.ping()
    const names = readdirSync(folder).filter((name) => join(folder, name).startsWith(file))
    expect(names.length).toBeGreaterThanOrEqual(3)
    for (const name of names) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    await ledger.close()
    expect(readdirSync(folder).filter((name) => join(folder, name).startsWith(file))).toEqual([`${files}.db`])
  })

  it('is written durably: WAL, synchronous=FULL', async () => {
    const ledger = sqliteStore({ file })
    const db = connect(file, 1_234)
    expect(db.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    expect(db.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
    expect(db.prepare('PRAGMA busy_timeout').get()).toEqual({ timeout: 1_234 })
    db.close()
    await ledger.close()
  })

  it('waits for another process that is making the same file', async () => {
    const making = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads')
       const db = new (require('node:sqlite').DatabaseSync)(workerData)
       db.exec('BEGIN IMMEDIATE')
       parentPort.postMessage('begun')
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
       db.exec('ROLLBACK')`,
      { eval: true, workerData: file },
    )
    await once(making, 'message')
    const ledger = sqliteStore({ file })
    await ledger.ping()
    await ledger.close()
    await making.terminate()
  })

  it('keeps what was used, and gives back what was open, over close and open', async () => {
    const key = freshKey()
    const before = sqliteStore({ file })
    const kept = await reserved(before, use(key, 10n, 2n))
    const open = await reserved(before, use(key, 10n, 3n))
    await before.commit(kept.id)
    await before.revoke({ tokenId: key })
    await before.close()

    const after = sqliteStore({ file })
    expect(after.isRevoked({ tokenId: key, paymentHash: freshKey() })).toBe(true)
    expect(await usedOf(after, key)).toBe(2n)
    await after.commit(open.id)
    await after.release(open.id)
    expect(await usedOf(after, key)).toBe(2n)
    await after.close()
  })

  it('keeps no row of a counter that was given back whole: a holder can name new ones without end', async () => {
    const ledger = sqliteStore({ file })
    const parent = freshKey()
    await ledger.commit((await reserved(ledger, use(parent, 100n))).id)
    for (let i = 0; i < 10; i++) {
      const held = await reserved(ledger, use(parent, 100n), use(freshKey(), 1n), use(freshKey(), 1n))
      if (i % 2 === 0) await ledger.serve(held.id)
      await ledger.release(held.id)
    }
    await reserved(ledger, use(parent, 100n), use(freshKey(), 1n))
    await ledger.close()
    const db = new DatabaseSync(file, { readOnly: true })
    expect(db.prepare('SELECT key, used FROM counters').all()).toEqual([{ key: parent, used: 1 }])
    db.close()
  })

  it('records a payment once, with its first reservation (rule 1)', async () => {
    let now = 1_000
    const ledger = sqliteStore({ file, now: () => now })
    const redemption = freshRedemption()
    const uses = [use(freshKey(), 2n)]
    await ledger.reserve({ redemption, uses: [use(freshKey(), 0n)] })
    for (now of [2_000, 3_000]) await ledger.reserve({ redemption, uses })
    await ledger.reserve({ redemption: { ...redemption, tokenId: freshKey(), service: 'other' }, uses })
    const db = new DatabaseSync(file, { readOnly: true })
    expect(db.prepare('SELECT * FROM redemptions').all()).toEqual([
      {
        payment_hash: redemption.paymentHash,
        token_id: redemption.tokenId,
        service: 'weather',
        first_seen_ms: 2_000,
        ends_ms: null,
      },
    ])
    db.close()
    await ledger.close()
  })

  it('must be in a folder that exists', () => {
    const missing = join(folder, 'missing')
    expect(fault(() => sqliteStore({ file: join(missing, 'x.db') }))).toMatchObject({
      code: 'store_unavailable',
      message: `the folder of the ledger does not exist: ${missing}`,
    })
    expect(existsSync(missing)).toBe(false)
  })

  it('must be a file', () => {
    mkdirSync(file)
    expect(fault(() => sqliteStore({ file }))).toMatchObject({
      code: 'store_incompatible',
      message: `the ledger ${file} is not a file: expected a SQLite database`,
    })
    for (const name of ['', ':memory:'])
      expect(fault(() => sqliteStore({ file: name }))).toBeInstanceOf(RangeError)
  })

  it.each([
    ['text', Buffer.from('not a database, but longer than its header would be. '.repeat(40))],
    ['a few bytes', Buffer.from([1, 2, 3])],
  ])('must not be %s', (_, bytes) => {
    writeFileSync(file, bytes)
    expect(fault(() => sqliteStore({ file }))).toMatchObject({
      code: 'store_incompatible',
      message: expect.stringContaining('is not a ledger: expected a SQLite database'),
    })
    expect(statSync(file).size).toBe(bytes.length)
  })

  it('must not belong to another program', () => {
    const db = new DatabaseSync(file)
    db.exec('CREATE TABLE songs(title)')
    db.close()
    expect(fault(() => sqliteStore({ file }))).toMatchObject({
      code: 'store_incompatible',
      message: `${file} is a SQLite database of another program, not a ledger: name another file`,
    })
  })

  it('must not be of a newer version, and stays as it is', async () => {
    await sqliteStore({ file }).close()
    const db = new DatabaseSync(file)
    db.exec('PRAGMA user_version = 99')
    db.close()
    expect(fault(() => sqliteStore({ file }))).toMatchObject({
      code: 'store_incompatible',
      message: expect.stringMatching(/has version 99, this program knows up to 2: use the newer program/),
      details: { version: 99, known: 2 },
    })
  })

  it('is the same over another path to it', async () => {
    const key = freshKey()
    const first = sqliteStore({ file })
    await reserved(first, use(key, 10n))
    symlinkSync(file, `${file}.link`)
    const second = sqliteStore({ file: relative(process.cwd(), `${file}.link`) })
    expect(await usedOf(second, key)).toBe(1n)
    await Promise.all([first.close(), second.close()])
    rmSync(file)
    expect(fault(() => sqliteStore({ file: `${file}.link` }))).toMatchObject({ code: 'store_incompatible' })
  })

  it('may be empty already', async () => {
    writeFileSync(file, '')
    chmodSync(file, 0o640)
    const ledger = sqliteStore({ file })
    expect(await usedOf(ledger, freshKey())).toBe(0n)
    await ledger.close()
  })

  it('has the files of owners that died unrecorded cleared away', async () => {
    writeFileSync(`${file}.owner-77`, '')
    writeFileSync(`${file}.owner-mine`, '')
    await sqliteStore({ file }).close()
    expect([existsSync(`${file}.owner-77`), existsSync(`${file}.owner-mine`)]).toEqual([false, true])
  })
})

describe('a store that fails', () => {
  it('refuses the whole batch while another program holds the lock, and does nothing of it (rule 9)', async () => {
    const file = freshFile()
    const ledger = sqliteStore({ file, busyTimeoutMs: 20 })
    const key = freshKey()
    const held = await reserved(ledger, use(key, 10n))
    const other = new DatabaseSync(file)
    other.exec('BEGIN IMMEDIATE')
    const calls = [
      ledger.reserve(request(use(key, 10n))),
      ledger.commit(held.id),
      ledger.release(held.id),
      ledger.revoke({ tokenId: key }),
      ledger.ping(),
      ledger.read([key]),
    ]
    for (const call of calls)
      await expect(call).rejects.toMatchObject({
        code: 'store_unavailable',
        message: 'the ledger could not be written: database is locked',
      })
    expect(ledger.isRevoked({ tokenId: key, paymentHash: key })).toBe(false)
    other.exec('ROLLBACK')
    other.close()
    expect(await usedOf(ledger, key)).toBe(1n)
    await ledger.release(held.id)
    expect(await usedOf(ledger, key)).toBe(0n)
    await ledger.close()
  })

  it('undoes a batch that breaks half-way, and goes on from what is true', async () => {
    const file = freshFile()
    const ledger = sqliteStore({ file })
    const other = new DatabaseSync(file)
    other.exec(`CREATE TRIGGER broken BEFORE INSERT ON redemptions WHEN new.service = 'broken'
                BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END`)
    const [key, payer] = [freshKey(), freshRedemption()]
    const revoked = freshRedemption()
    const calls = [
      ledger.revoke({ tokenId: revoked.tokenId }),
      ledger.reserve({ redemption: payer, uses: [use(key, 10n)] }),
      ledger.reserve({ redemption: { ...freshRedemption(), service: 'broken' }, uses: [use(key, 10n)] }),
      ledger.reserve(request(use(key, 10n))),
    ]
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await usedOf(ledger, key)).toBe(0n)
    expect(ledger.isRevoked(revoked)).toBe(false)

    const beside = sqliteStore({ file })
    const second = await reserved(beside, use(freshKey(), 10n))
    const first = await ledger.reserve({ redemption: payer, uses: [use(key, 10n)] })
    expect(first.ok && first.id).not.toBe(second.id)
    expect(first).toMatchObject({ ok: true, states: [{ used: 1n }] })
    expect(await ledger.reserve({ redemption: revoked, uses: [use(key, 10n)] })).toMatchObject({ ok: true })
    await beside.close()
    expect(other.prepare('SELECT count(*) AS n FROM redemptions').get()).toEqual({ n: 3 })
    expect(other.prepare('SELECT count(*) AS n FROM reservations').get()).toEqual({ n: 2 })
    other.close()
    await ledger.close()
  })

  it('acknowledges nothing once its file is gone', async () => {
    const file = freshFile()
    const ledger = sqliteStore({ file })
    const key = freshKey()
    await reserved(ledger, use(key, 10n))
    renameSync(file, `${file}.moved`)
    for (const call of [ledger.ping(), ledger.reserve(request(use(key, 10n)))])
      await expect(call).rejects.toMatchObject({
        code: 'store_unavailable',
        message: 'the ledger could not be written: its file was moved, replaced or deleted',
      })
    renameSync(`${file}.moved`, file)
    expect(await usedOf(ledger, key)).toBe(1n)
    await ledger.close()
  })

  it('still closes, and the next one to open gives back what was left open', async () => {
    const file = freshFile()
    const ledger = sqliteStore({ file, busyTimeoutMs: 20 })
    const key = freshKey()
    await reserved(ledger, use(key, 10n))
    const other = new DatabaseSync(file)
    other.exec('BEGIN IMMEDIATE')
    await ledger.close()
    other.exec('ROLLBACK')
    expect(other.prepare('SELECT count(*) AS n FROM reservations').get()).toEqual({ n: 1 })
    other.close()
    const next = sqliteStore({ file })
    expect(await usedOf(next, key)).toBe(0n)
    await next.close()
  })
})

describe('two ledgers on one file', () => {
  let first: Ledger
  let second: Ledger
  const open = (options: Partial<SqliteStoreOptions> = {}): void => {
    const file = freshFile()
    first = sqliteStore({ file, ...options })
    second = sqliteStore({ file, ...options })
  }
  afterEach(async () => {
    await first.close()
    await second.close()
  })

  it('share limits, and end each other’s reservations when asked by id', async () => {
    open()
    const key = freshKey()
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? first : second).reserve(request(use(key, 20n)))),
    )
    const ids = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.id] : []))
    expect(new Set(ids).size).toBe(20)
    await Promise.all(ids.map((id) => second.release(id)))
    expect(await usedOf(first, key)).toBe(0n)
  })

  it('tell each other of revocations within a second (protocol §4)', async () => {
    open()
    const redemption = freshRedemption()
    const epoch = second.revocationEpoch
    await first.revoke({ paymentHash: redemption.paymentHash })
    await vi.waitUntil(() => second.isRevoked(redemption), { timeout: 1_000, interval: 10 })
    expect(second.revocationEpoch).toBe(epoch + 1)
  })

  it('never reserve for what the other has revoked, even before they were told', async () => {
    open({ pollMs: 3_600_000 })
    const redemption = freshRedemption()
    const uses = [use(freshKey(), 10n)]
    expect(await second.reserve({ redemption, uses })).toMatchObject({ ok: true })
    await first.revoke({ tokenId: redemption.tokenId })
    expect(await second.reserve({ redemption, uses })).toEqual({ ok: false, failed: 'revoked' })
    expect(second.isRevoked(redemption)).toBe(true)
  })

  it('keep their own reservations when the other closes or looks for the dead', async () => {
    open({ sweepMs: 10 })
    const key = freshKey()
    await reserved(first, use(key, 10n))
    await reserved(second, use(key, 10n))
    await first.close()
    expect(await usedOf(second, key)).toBe(1n)
    const third = sqliteStore({ file: join(folder, `${files}.db`) })
    expect(await usedOf(third, key)).toBe(1n)
    await third.close()
  })
})
