import { parentPort, workerData } from 'node:worker_threads'
import { answerCall, type JournalCall, type JournalReply } from '../journal/remote.ts'
import { openJournal } from '../journal/shelf-journal.ts'
import type { Journal } from '../journal.ts'
import { sqliteShelf } from './journal-shelf.ts'
import { openFault } from './schema.ts'

/** What the thread is started with. */
export interface JournalFile {
  readonly file: string
  readonly busyTimeoutMs: number
}

const port = parentPort
if (port !== null) {
  const { file, busyTimeoutMs } = workerData as JournalFile
  const opened = openIt(file, busyTimeoutMs)
  let last: Promise<unknown> = opened.catch(() => {})
  const post = (reply: JournalReply): void => port.postMessage(reply)
  // The first message says whether it is open.
  opened.then(
    () => post({ ok: true, value: undefined }),
    (error: { code?: string; message: string }) =>
      post({ ok: false, code: error.code ?? 'store_unavailable', message: error.message }),
  )
  port.on('message', (call: JournalCall) => {
    // One after the other: there is one connection, and it holds one transaction.
    last = last.then(async () => post(await answerCall(await opened, call)))
  })
}

async function openIt(file: string, busyTimeoutMs: number): Promise<Journal> {
  try {
    return await openJournal(sqliteShelf(file, busyTimeoutMs), file)
  } catch (error) {
    throw openFault(error, file)
  }
}
