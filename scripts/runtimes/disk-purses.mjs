// Purses of runtimes with a disk: a file, and SQLite where the runtime has it.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filePurse } from '@turnpike/l402/purse/file'

/** The stores by name, each new one in a folder of its own. */
export async function diskPurses() {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-runtime-'))
  let stores = 0
  const inFile = (purse, name) => async () => {
    const file = join(folder, `${stores++}`, name)
    return () => purse({ file })
  }
  const purses = { file: inFile(filePurse, 'purse.jsonl') }
  try {
    await import('node:sqlite')
  } catch {
    return { folder, purses }
  }
  const { sqlitePurse } = await import('@turnpike/l402/purse/sqlite')
  return { folder, purses: { ...purses, SQLite: inFile(sqlitePurse, 'purse.db') } }
}
