import { copyFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import type { Ledger } from '../ledger.ts'
import { freshKey, freshRedemption, request, reserved, use, usedOf } from '../ledger-contract.test-suite.ts'
import { sqliteStore } from './index.ts'
import { MIGRATIONS } from './migrations.ts'

const folder = mkdtempSync(join(tmpdir(), 'turnpike-books-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0
const freshFile = (): string => join(folder, `${++files}.db`)

const UNAVAILABLE = { code: 'store_unavailable' }
const DAY_MS = 86_400_000

/** A file as version 1 left it: a counter with 5 uses, of which 2 are being served and 1 is only reserved. */
function version1(owner: number | null): {
  file: string
  counter: Uint8Array
  payer: ReturnType<typeof freshRedemption>
} {
  const file = freshFile()
  const db = new DatabaseSync(file)
  db.exec('PRAGMA journal_mode = WAL')
  MIGRATIONS[0]?.(db, file)
  const [counter, payer] = [freshKey(), freshRedemption()]
  const uses = (amount: bigint): Uint8Array => {
    const bytes = new Uint8Array(48)
    bytes.set(counter)
    new DataView(bytes.buffer).setBigInt64(32, amount, true)
    new DataView(bytes.buffer).setBigInt64(40, 9n, true)
    return bytes
  }
  db.prepare('INSERT INTO counters VALUES (?, 5)').run(counter)
  db.prepare('INSERT INTO redemptions VALUES (?, ?, ?, 1)').run(payer.paymentHash, payer.tokenId, 'weather')
  db.prepare("INSERT INTO revocations(kind, key, at_ms) VALUES ('token', ?, 1)").run(payer.tokenId)
  db.prepare('INSERT INTO reservations VALUES (1, ?, 1, ?)').run(owner ?? 7, uses(2n))
  db.prepare('INSERT INTO reservations VALUES (2, ?, 0, ?)').run(owner ?? 7, uses(1n))
  db.prepare('INSERT INTO owners VALUES (?)').run(owner ?? 7)
  db.exec('PRAGMA application_id = 1414548551; PRAGMA user_version = 1')
  db.close()
  return { file, counter, payer }
}

describe('a file of version 1', () => {
  it('is brought to version 2: what was served counts, what was only reserved is given back', async () => {
    const { file, counter, payer } = version1(null)
    const ledger = sqliteStore({ file })
    expect(await usedOf(ledger, counter)).toBe(4n)
    expect(ledger.isRevoked(payer)).toBe(true)
    expect(await ledger.credit(payer, 5n)).toBe(false)
    expect(await ledger.credit(freshRedemption(), 5n)).toBe(true)
    expect((await reserved(ledger, use(counter, 9n))).states).toEqual([{ used: 5n }])
    await ledger.close()
  })

  it('that a process of that version has open is refused, and stays as it is', async () => {
    const { file } = version1(7)
    const held = new DatabaseSync(`${file}.owner-7`)
    held.exec('BEGIN EXCLUSIVE')
    expect(() => sqliteStore({ file })).toThrow(expect.objectContaining(UNAVAILABLE))
    held.close()
    await sqliteStore({ file }).close()
  })
})

describe('books that fail', () => {
  it('because the file may not be written: refused, and usable again when it may', async () => {
    const file = freshFile()
    const ledger = sqliteStore({ file, busyTimeoutMs: 50 })
    const payer = freshRedemption()
    await ledger.credit(payer, 10n)
    // Not by its mode, which means nothing to root.
    const other = new DatabaseSync(file)
    other.exec(
      "CREATE TRIGGER no BEFORE INSERT ON counters BEGIN SELECT RAISE(FAIL, 'attempt to write a readonly database'); END",
    )
    await expect(ledger.reserve(request(use(freshKey(), 1n)))).rejects.toMatchObject(UNAVAILABLE)
    await expect(ledger.credit(freshRedemption(), 1n)).rejects.toMatchObject(UNAVAILABLE)
    other.exec('DROP TRIGGER no')
    other.close()
    await reserved(ledger, use(freshKey(), 1n))
    expect(await ledger.credit(payer, 10n)).toBe(false)
    await ledger.close()
  })

  it('because an older copy takes its place: refused until it is opened again, then the copy counts', async () => {
    const file = freshFile()
    let ledger: Ledger = sqliteStore({ file })
    const [counter, payer] = [freshKey(), freshRedemption()]
    await ledger.credit(payer, 100n)
    await ledger.commit((await reserved(ledger, use(counter, 5n))).id)
    await ledger.close()
    copyFileSync(file, `${file}.copy`)
    ledger = sqliteStore({ file })
    const open = await reserved(ledger, use(counter, 5n))
    await ledger.credit({ ...payer, paymentHash: freshKey() }, 50n)
    renameSync(`${file}.copy`, file)
    for (const call of [
      ledger.reserve(request(use(counter, 5n))),
      ledger.serve(open.id),
      ledger.credit(payer, 1n),
    ])
      await expect(call).rejects.toMatchObject(UNAVAILABLE)
    await ledger.close()
    rmSync(`${file}-wal`, { force: true })
    const again = sqliteStore({ file })
    expect(await again.read([counter, payer.tokenId])).toEqual([
      { used: 1n },
      { used: 0n, credited: 100n, lost: 0n },
    ])
    await expect(again.serve(open.id)).rejects.toMatchObject(UNAVAILABLE)
    // A payment that the copy does not know is credited when it is presented again, and one that it knows is not.
    expect(await again.credit(payer, 100n)).toBe(false)
    await again.close()
  })
})

describe('ten thousand distinct child budgets under one parent', () => {
  it('take a row each, are removed after their end, and their space is used again', async () => {
    const clock = { nowMs: Date.UTC(2026, 0, 1) }
    const file = freshFile()
    const ledger = sqliteStore({ file, now: () => clock.nowMs })
    const parent = freshKey()
    const redemption = freshRedemption()
    const spend = async (count: number): Promise<void> => {
      const endsAtMs = clock.nowMs + 60_000
      for (let done = 0; done < count; done += 500) {
        const held = await Promise.all(
          Array.from({ length: 500 }, () =>
            ledger.reserve({
              redemption,
              uses: [use(parent, 2n ** 60n), { ...use(freshKey(), 1n), endsAtMs }],
            }),
          ),
        )
        await Promise.all(
          held.map((outcome) => (outcome.ok ? ledger.commit(outcome.id) : expect.unreachable())),
        )
      }
    }
    const rows = (): { counters: number; pages: number } => {
      const db = new DatabaseSync(file)
      const counters = Number(db.prepare('SELECT count(*) AS n FROM counters').get()?.['n'])
      const pages = Number(db.prepare('PRAGMA page_count').get()?.['page_count'])
      db.close()
      return { counters, pages }
    }
    await spend(10_000)
    const full = rows()
    expect(full.counters).toBe(10_001)
    clock.nowMs += DAY_MS + 60_000
    while ((await ledger.prune()) > 0);
    expect(rows().counters).toBe(1)
    expect(await usedOf(ledger, parent)).toBe(10_000n)
    await spend(10_000)
    expect(rows().pages).toBeLessThanOrEqual(full.pages * 1.05)
    await ledger.close()
  })
})
