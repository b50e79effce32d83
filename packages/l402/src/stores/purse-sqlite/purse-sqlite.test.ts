import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import type { Budget } from '../purse.ts'
import { intentOf, proofOf, purseContract } from '../purse-contract.test-suite.ts'
import { sqlitePurse } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'purse-'))
let files = 0
const newFile = (): string => join(folder, `case-${files++}`, 'purse.db')
const children = new Set<ChildProcess>()
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const NO_LIMITS: Budget = { overall: {}, hosts: {} }

purseContract('sqlitePurse', async (now) => sqlitePurse({ file: newFile(), now }))

/** Runs a program against the purse in another process; `print` is its way to speak. */
function otherProcess(body: string, file: string) {
  const index = new URL('./index.ts', import.meta.url).href
  const suite = new URL('../../core/hash.ts', import.meta.url).href
  const source = `
    import { sqlitePurse } from ${JSON.stringify(index)}
    import { sha256 } from ${JSON.stringify(suite)}
    const file = ${JSON.stringify(file)}
    const print = (text) => process.stdout.write(text + '\\n')
    ${body}`
  const child = spawn(
    process.execPath,
    [
      '--conditions=turnpike:source',
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      source,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  children.add(child)
  let output = ''
  const waiters = new Set<() => void>()
  child.stdout.on('data', (chunk) => {
    output += chunk
    for (const wake of waiters) wake()
  })
  const ended = new Promise<string>((resolve) => child.once('close', () => resolve(output)))
  const says = (line: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (output.includes(`${line}\n`)) resolve()
      }
      waiters.add(look)
      look()
      void ended.then(() => reject(new Error(`the other process ended without saying ${line}: ${output}`)))
    })
  return { child, ended, says }
}

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

  it('never lets several processes hold more than the limit', async () => {
    const file = newFile()
    const body = (first: number): string => `
      const purse = sqlitePurse({ file })
      print('ready')
      await new Promise((resolve) => process.stdin.once('data', resolve))
      for (let n = ${first}; n < ${first} + 80; n++) {
        const paymentHash = sha256(new Uint8Array([n]))
        const intent = { paymentHash, origin: 'o', host: 'h', method: 'GET', url: 'u', bodyDigest: null,
          scope: 's', macaroon: 'm', invoice: 'i', amountMsat: 10n, maxFeeMsat: 1n, payee: '', createdAtMs: Date.now(),
          expiresAt: 0, wallet: '', task: '' }
        const answer = await purse.reserve(intent, { overall: { dayMsat: 1100n }, hosts: {} })
        print(answer.ok ? 'held' : 'over')
      }
      process.exit()`
    const others = [0, 80, 160].map((first) => otherProcess(body(first), file))
    await Promise.all(others.map((other) => other.says('ready')))
    for (const { child } of others) child.stdin.end('go')
    const outputs = await Promise.all(others.map((other) => other.ended))
    expect(outputs.join('').match(/held/g)).toHaveLength(100)
    expect(outputs.join('').match(/over/g)).toHaveLength(140)
  })

  it('keeps a lock from other processes until its holder lets go or dies (C5)', async () => {
    const file = newFile()
    const purse = sqlitePurse({ file })
    const holder = otherProcess(
      `const purse = sqlitePurse({ file })
       await purse.withLock('scope', () => { print('locked'); return new Promise(() => setInterval(() => {}, 1e6)) })`,
      file,
    )
    await holder.says('locked')
    const tooLong = AbortSignal.timeout(60)
    await expect(purse.withLock('scope', async () => 'mine', tooLong)).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    expect(await purse.withLock('other scope', async () => 'free')).toBe('free')
    const waiting = purse.withLock('scope', async () => 'mine')
    holder.child.kill('SIGKILL')
    expect(await waiting).toBe('mine')
    await purse.close()
  })
})
