/** A thread that opens the files it is told to, like a process that starts just now; started by new-files.test.ts. */
import { parentPort } from 'node:worker_threads'
import { sqlitePurse } from '../src/stores/purse-sqlite/index.ts'
import { sqliteStore } from '../src/stores/sqlite/index.ts'

parentPort?.on('message', async (file: string) => {
  try {
    await sqlitePurse({ file: `${file}.purse` }).close()
    await sqliteStore({ file: `${file}.ledger` }).close()
    parentPort?.postMessage('opened')
  } catch (error) {
    parentPort?.postMessage(error instanceof Error ? error.message : String(error))
  }
})
