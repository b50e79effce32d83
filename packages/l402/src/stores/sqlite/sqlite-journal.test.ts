import { mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import { describeJournal, freshSale } from '../journal-contract.test-suite.ts'
import { sqliteJournal } from './sqlite-journal.ts'
import { sqliteStore } from './sqlite-ledger.ts'

const folder = mkdtempSync(join(tmpdir(), 'turnpike-journal-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newFile = (): string => join(folder, `books-${++files}.db`)

describeJournal('sqliteJournal', async () => {
  const file = newFile()
  return { journal: await sqliteJournal({ file }), other: () => sqliteJournal({ file }), durable: true }
})

describe('a journal in the file of a ledger', () => {
  it('works beside the ledger that is open, and either can be opened first', async () => {
    const file = newFile()
    const first = await sqliteJournal({ file })
    const ledger = sqliteStore({ file })
    const facts = freshSale()
    await first.note([{ type: 'settled', facts, atMs: 1 }], {})
    await ledger.ping()
    await first.close()
    const second = await sqliteJournal({ file })
    expect(await second.sale(facts.paymentHash)).toMatchObject({ settledAtMs: 1 })
    await second.close()
    await ledger.close()
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('refuses a database of another program, and a journal of a newer version', async () => {
    const foreign = newFile()
    const db = new DatabaseSync(foreign)
    db.exec('CREATE TABLE things(a)')
    db.close()
    await expect(sqliteJournal({ file: foreign })).rejects.toMatchObject({ code: 'store_incompatible' })

    const newer = newFile()
    await (await sqliteJournal({ file: newer })).close()
    const changed = new DatabaseSync(newer)
    changed.exec(`UPDATE journal SET value = '2' WHERE name = 'm/version'`)
    changed.close()
    await expect(sqliteJournal({ file: newer })).rejects.toMatchObject({ code: 'store_incompatible' })
  })

  it('writes nothing while its file is away, and goes on when it is back', async () => {
    const file = newFile()
    const journal = await sqliteJournal({ file })
    const notes = [{ type: 'settled' as const, facts: freshSale(), atMs: 1 }]
    renameSync(file, `${file}.away`)
    await expect(journal.note(notes, {})).rejects.toMatchObject({ code: 'store_unavailable' })
    renameSync(`${file}.away`, file)
    expect(await journal.note(notes, {})).toHaveLength(1)
    await journal.close()
    await expect(journal.note(notes, {})).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})
