import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import { intentOf, proofOf } from '../../../test/support/purse-samples.ts'
import type { Budget } from '../purse.ts'
import { purseContract } from '../purse-contract.test-suite.ts'
import { purseProcesses } from '../purse-processes.test-suite.ts'
import { sqlitePurse } from './index.ts'
import { APPLICATION_ID, MIGRATIONS } from './schema.ts'

const folder = mkdtempSync(join(tmpdir(), 'purse-'))
let files = 0
const newFile = (): string => join(folder, `case-${files++}`, 'purse.db')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const NO_LIMITS: Budget = { overall: {}, hosts: {} }

purseContract('sqlitePurse', async (now) => sqlitePurse({ file: newFile(), now }))

purseProcesses('sqlitePurse', {
  module: new URL('./index.ts', import.meta.url),
  open: (file) => sqlitePurse({ file }),
  newFile,
})

describe('sqlitePurse', () => {
  it('keeps everything when it is opened again', async () => {
    const file = newFile()
    const first = sqlitePurse({ file })
    await first.setBudget({ overall: { totalMsat: 5n }, hosts: {} })
    await first.reserve(intentOf(1), NO_LIMITS)
    await first.settle(proofOf(1).paymentHash, { preimage: proofOf(1).preimage, feeMsat: 3n })
    await first.close()
    const second = sqlitePurse({ file })
    expect(await second.budget()).toEqual({ overall: { totalMsat: 5n }, hosts: {} })
    expect(await second.credentials()).toHaveLength(1)
    expect((await second.payments(10))[0]).toMatchObject({ state: 'settled', feeMsat: 3n })
    await second.close()
  })

  it('takes over a file of every version before, with its open payments', async () => {
    for (let version = 1; version < MIGRATIONS.length; version++) {
      const file = newFile()
      mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
      const old = new DatabaseSync(file)
      for (const step of MIGRATIONS.slice(0, version)) old.exec(step)
      old.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version}`)
      old
        .prepare(
          `INSERT INTO payments (payment_hash, origin, host, method, url, scope, macaroon, invoice, amount_msat,
             max_fee_msat, payee, created_at_ms, expires_at, wallet, state, served, fee_msat, last_status, detail, updated_at_ms)
           VALUES (?, 'https://a', 'a', 'GET', 'https://a/', 'https://a GET /', 'm', 'i', 5, 1, '02', 1, 1, 'main',
             'unknown', 'unserved', 0, 0, '', 1)`,
        )
        .run(proofOf(1).paymentHash)
      old.close()
      const purse = sqlitePurse({ file })
      const [open] = await purse.openPayments()
      expect(open).toMatchObject({ wallet: 'main', state: 'unknown', amountMsat: 5n })
      expect(open).not.toHaveProperty('walletId')
      await purse.reserve(intentOf(2), NO_LIMITS)
      await purse.close()
      const again = sqlitePurse({ file })
      expect(await again.payment(proofOf(2).paymentHash)).toMatchObject({ walletId: intentOf(2).walletId })
      await again.close()
    }
  })

  it('keeps its file and what lies beside it to its owner (C10)', async () => {
    const file = newFile()
    const purse = sqlitePurse({ file })
    await purse.withLock('scope', () => purse.reserve(intentOf(1), NO_LIMITS))
    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)
    expect(mode(file)).toBe('600')
    expect(mode(`${file}-wal`)).toBe('600')
    expect(mode(`${file}.locks`)).toBe('700')
    expect(mode(join(file, '..'))).toBe('700')
    await purse.close()
    chmodSync(file, 0o644)
    await sqlitePurse({ file }).close()
    expect(mode(file)).toBe('600')
  })

  it('acknowledges nothing before it is on the disk', async () => {
    const file = newFile()
    const purse = sqlitePurse({ file })
    await purse.reserve(intentOf(1), NO_LIMITS)
    // A copy of the files, as a crash would leave them, holds the intent.
    const copy = newFile()
    await sqlitePurse({ file: copy }).close()
    writeFileSync(copy, readFileSync(file))
    writeFileSync(`${copy}-wal`, readFileSync(`${file}-wal`))
    const after = sqlitePurse({ file: copy })
    expect(await after.openPayments()).toHaveLength(1)
    await after.close()
    await purse.close()
  })

  it('refuses a file of another program, a newer purse and a damaged one, and leaves them as they are', async () => {
    const text = newFile()
    await sqlitePurse({ file: text }).close()
    writeFileSync(
      text,
      'this is a diary, not a database, and long enough to be read as a header of one '.repeat(9),
    )
    expect(() => sqlitePurse({ file: text })).toThrow(expect.objectContaining({ code: 'store_incompatible' }))

    const foreign = newFile()
    await sqlitePurse({ file: foreign }).close()
    rmSync(foreign)
    const other = new DatabaseSync(foreign)
    other.exec('CREATE TABLE diary (day TEXT)')
    other.close()
    expect(() => sqlitePurse({ file: foreign })).toThrow(/another program/)

    const newer = newFile()
    await sqlitePurse({ file: newer }).close()
    const upgraded = new DatabaseSync(newer)
    upgraded.exec('PRAGMA user_version = 99')
    upgraded.close()
    expect(() => sqlitePurse({ file: newer })).toThrow(/version 99/)

    const damaged = newFile()
    const purse = sqlitePurse({ file: damaged })
    for (let n = 0; n < 50; n++) await purse.reserve(intentOf(n), NO_LIMITS)
    await purse.close()
    truncateSync(damaged, 4096)
    const open = async () => {
      const again = sqlitePurse({ file: damaged })
      try {
        return await again.payments(100)
      } finally {
        await again.close()
      }
    }
    await expect(open()).rejects.toMatchObject({ code: 'store_incompatible' })
  })

  it('says which file cannot be used', () => {
    expect(() => sqlitePurse({ file: '/proc/nowhere/purse.db' })).toThrow(
      expect.objectContaining({
        code: 'store_unavailable',
        message: expect.stringContaining('/proc/nowhere'),
      }),
    )
  })

  it('is unavailable after it was closed', async () => {
    const purse = sqlitePurse({ file: newFile() })
    await purse.close()
    await purse.close()
    await expect(purse.payments(1)).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(purse.reserve(intentOf(1), NO_LIMITS)).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})
