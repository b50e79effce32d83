import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { intentOf, NO_LIMITS, proofOf } from '../../../test/support/purse-samples.ts'
import { purseContract } from '../purse-contract.test-suite.ts'
import { purseProcesses } from '../purse-processes.test-suite.ts'
import { filePurse } from './index.ts'
import { newProcessId } from './process-id.ts'

const folder = mkdtempSync(join(tmpdir(), 'purse-file-'))
let files = 0
const newFile = (): string => join(folder, `case-${files++}`, 'purse.jsonl')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

purseContract('filePurse', async (now) => filePurse({ file: newFile(), now }))
purseProcesses('filePurse', {
  module: new URL('./index.ts', import.meta.url),
  open: (file) => filePurse({ file }),
  newFile,
})

describe('filePurse', () => {
  it('keeps everything when it is opened again, and shows each object what others wrote', async () => {
    const file = newFile()
    const first = filePurse({ file })
    const second = filePurse({ file })
    await first.reserve(intentOf(1), NO_LIMITS)
    await second.settle(proofOf(1).paymentHash, { preimage: proofOf(1).preimage, feeMsat: 3n })
    await first.reserve(intentOf(2), NO_LIMITS)
    expect((await first.payments(9)).map(({ state }) => state)).toEqual(['reserved', 'settled'])
    expect(await second.payments(9)).toEqual(await first.payments(9))
    await first.close()
    expect(await filePurse({ file }).payments(9)).toEqual(await second.payments(9))
    await expect(first.payments(1)).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  it('keeps its file and its locks to its owner (C10)', async () => {
    const file = newFile()
    const purse = filePurse({ file })
    await purse.withLock('scope', () => purse.reserve(intentOf(1), NO_LIMITS))
    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)
    expect([file, `${file}.locks`, join(file, '..')].map(mode)).toEqual(['600', '700', '700'])
    chmodSync(file, 0o644)
    await filePurse({ file }).payments(1)
    expect(mode(file)).toBe('600')
  })

  it('goes on after a write that a crash cut off anywhere, with all that was acknowledged', async () => {
    const file = newFile()
    await filePurse({ file }).reserve(intentOf(1), NO_LIMITS)
    const before = readFileSync(file)
    await filePurse({ file }).reserve(intentOf(2), NO_LIMITS)
    const after = readFileSync(file)
    for (let end = 0; end < after.length; end += 7) {
      const copy = newFile()
      await filePurse({ file: copy }).payments(1)
      writeFileSync(copy, after.subarray(0, end))
      const purse = filePurse({ file: copy })
      expect(await purse.payments(9)).toHaveLength(end < before.length ? 0 : 1)
      await purse.reserve(intentOf(3), NO_LIMITS)
      expect(await filePurse({ file: copy }).payments(9)).toHaveLength(end < before.length ? 1 : 2)
    }
  })

  it.each([
    ['a diary', 'this is a diary, not a purse'],
    ['a list', '[]\n'],
    ['a newer purse', '{"purse":"turnpike","version":2}\n'],
    ['a damaged line', '{"purse":"turnpike","version":1}\n[["payments 00"\n'],
    ['a row of an unknown table', '{"purse":"turnpike","version":1}\n[["secrets x","[1,2]"]]\n'],
    ['a row without a place', '{"purse":"turnpike","version":1}\n[["texts budget","[]"]]\n'],
    ['bytes', Buffer.from([0xff, 0xfe, 10])],
  ])('refuses %s and leaves it as it is', async (_, content) => {
    const file = newFile()
    await filePurse({ file }).payments(1)
    writeFileSync(file, content)
    const purse = filePurse({ file })
    await expect(purse.reserve(intentOf(1), NO_LIMITS)).rejects.toMatchObject({ code: 'store_incompatible' })
    await expect(purse.payments(1)).rejects.toMatchObject({ code: 'store_incompatible' })
    expect(readFileSync(file)).toEqual(Buffer.from(content))
  })

  it('says which file cannot be used', async () => {
    const purse = filePurse({ file: '/proc/nowhere/purse.jsonl' })
    await expect(purse.payments(1)).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('/proc/nowhere'),
    })
    await expect(purse.withLock('scope', async () => {})).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  it('writes its file anew when most of it was replaced, and other objects go on with the new one', async () => {
    const file = newFile()
    const purse = filePurse({ file })
    const other = filePurse({ file })
    await purse.reserve(intentOf(1), NO_LIMITS)
    expect(await other.payments(9)).toHaveLength(1)
    // What thousands of changes leave behind.
    const line = readFileSync(file, 'utf8').split('\n')[1]
    appendFileSync(file, `${line}\n`.repeat(2_000))
    const { size } = statSync(file)
    await purse.reserve(intentOf(2), NO_LIMITS)
    expect(statSync(file).size).toBeLessThan(size / 100)
    expect(await other.payments(9)).toEqual(await purse.payments(9))
    await other.reserve(intentOf(3), NO_LIMITS)
    expect(await purse.payments(9)).toHaveLength(3)
    expect(await filePurse({ file }).payments(9)).toEqual(await purse.payments(9))
  })

  it('leaves no ticket behind, and clears those of processes that ended away', async () => {
    const file = newFile()
    const purse = filePurse({ file })
    await purse.reserve(intentOf(1), NO_LIMITS)
    const locks = join(`${file}.locks`, 'file')
    expect(readdirSync(locks)).toEqual([])
    const [machine] = newProcessId().split('.')
    // No process has this number.
    writeFileSync(join(locks, `ticket-1-${machine}.4194304.5.aa`), '')
    writeFileSync(join(locks, `choosing-${machine}.4194304.5.bb`), '')
    await purse.reserve(intentOf(2), NO_LIMITS)
    expect(readdirSync(locks)).toEqual([])
  })

  it('waits for a ticket of another machine, which it cannot ask', async () => {
    const file = newFile()
    const purse = filePurse({ file })
    await purse.withLock('scope', async () => {})
    const [slot = ''] = readdirSync(`${file}.locks`)
    const ticket = join(`${file}.locks`, slot, 'ticket-1-00000000.1.1.aa')
    writeFileSync(ticket, '')
    const tooLong = AbortSignal.timeout(60)
    await expect(purse.withLock('scope', async () => {}, tooLong)).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    rmSync(ticket)
    expect(await purse.withLock('scope', async () => 'free')).toBe('free')
  })
})
