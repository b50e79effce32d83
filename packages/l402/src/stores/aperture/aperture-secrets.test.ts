import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import { apertureSecrets } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'turnpike-aperture-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0

const hash = (n: number): Uint8Array => new Uint8Array(32).fill(n)

/** A database with the table as Aperture makes it, open in WAL mode as it has it. */
function database(): { file: string; db: DatabaseSync; put: (n: number, secret: Uint8Array) => void } {
  const file = join(folder, `${++files}.db`)
  const db = new DatabaseSync(file)
  db.exec(`PRAGMA journal_mode = WAL; CREATE TABLE secrets (
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, secret BLOB NOT NULL UNIQUE, created_at TIMESTAMP NOT NULL)`)
  const insert = db.prepare('INSERT INTO secrets(hash, secret, created_at) VALUES (?, ?, 0)')
  return { file, db, put: (n, secret) => void insert.run(hash(n), secret) }
}

describe('apertureSecrets', () => {
  it('finds what Aperture has stored, also while it goes on', async () => {
    const { file, db, put } = database()
    put(1, new Uint8Array(32).fill(9))
    const stored = await apertureSecrets({ file })
    expect(await stored.rootKey(hash(1))).toEqual(new Uint8Array(32).fill(9))
    expect(await stored.rootKey(hash(2))).toBeUndefined()
    db.exec('BEGIN IMMEDIATE')
    put(2, new Uint8Array(32).fill(8))
    expect(await stored.rootKey(hash(2))).toBeUndefined()
    db.exec('COMMIT')
    expect(await stored.rootKey(hash(2))).toEqual(new Uint8Array(32).fill(8))
    await stored.close()
    await expect(stored.rootKey(hash(1))).rejects.toMatchObject({ code: 'store_unavailable' })
    db.close()
  })

  it.each([0, 31, 33, 64])('takes a secret of %i bytes for none', async (length) => {
    const { file, put } = database()
    put(1, new Uint8Array(length))
    const stored = await apertureSecrets({ file })
    expect(await stored.rootKey(hash(1))).toBeUndefined()
    await stored.close()
  })

  it('says what is wrong with a database that is not Aperture’s, or not there', async () => {
    const other = join(folder, 'other.db')
    const db = new DatabaseSync(other)
    db.exec('CREATE TABLE secrets(name TEXT)')
    db.close()
    writeFileSync(join(folder, 'text.db'), 'no database '.repeat(100))
    for (const file of [other, join(folder, 'text.db')])
      await expect(apertureSecrets({ file })).rejects.toMatchObject({ code: 'store_incompatible' })
    await expect(apertureSecrets({ file: join(folder, 'none.db') })).rejects.toMatchObject({
      code: 'store_unavailable',
    })
    await expect(apertureSecrets({ file: '' })).rejects.toThrow(RangeError)
    const url = 'postgres://me:open-sesame@127.0.0.1:1/none'
    const fault = await apertureSecrets({ url, timeoutMs: 500 }).catch((error: unknown) => error)
    expect(fault).toMatchObject({ code: 'store_unavailable' })
    expect(String(fault)).not.toContain('open-sesame')
  })

  it('is unavailable while its file is away, and follows the one that takes its place', async () => {
    const { file, db, put } = database()
    put(1, new Uint8Array(32).fill(1))
    db.close()
    const stored = await apertureSecrets({ file })
    renameSync(file, `${file}.away`)
    await expect(stored.rootKey(hash(1))).rejects.toMatchObject({ code: 'store_unavailable' })
    renameSync(`${file}.away`, file)
    expect(await stored.rootKey(hash(1))).toEqual(new Uint8Array(32).fill(1))
    await stored.close()
  })
})
