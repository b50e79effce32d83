import { resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { L402Error } from '../../core/errors.ts'
import { type JournalCall, type JournalReply, remoteJournal } from '../journal/remote.ts'
import type { Journal } from '../journal.ts'
import type { JournalFile } from './journal-worker.ts'
import { ensureFile } from './schema.ts'

const workerFile = new URL(
  import.meta.url.endsWith('.ts') ? './journal-worker.ts' : './journal-worker.js',
  import.meta.url,
)

interface Waiting {
  readonly resolve: (reply: JournalReply) => void
  readonly reject: (error: L402Error) => void
}

/**
 * The journal in the file of a ledger (`sqliteStore`), in tables of its own, which several processes of one machine may
 * share. It has a connection and a thread of its own. Throws `store_unavailable` when the file cannot be opened,
 * `store_incompatible` when it is no ledger or its journal is of a newer version.
 */
export async function sqliteJournal({
  file,
  busyTimeoutMs = 5_000,
}: {
  readonly file: string
  /** How long a lock of another process is waited for; default 5,000. */
  readonly busyTimeoutMs?: number
}): Promise<Journal> {
  const workerData: JournalFile = { file: ensureFile(resolve(file)), busyTimeoutMs }
  const execArgv = process.execArgv.filter((arg) => /^--(no-warnings$|disable-warning=)/.test(arg))
  const worker = new Worker(workerFile, { workerData, name: 'turnpike-journal', execArgv })
  const waiting: Waiting[] = []
  let dead: L402Error | undefined
  const expect = (): Promise<JournalReply> =>
    new Promise((resolve, reject) => {
      // The process stays alive until it is answered.
      if (waiting.push({ resolve, reject }) === 1) worker.ref()
    })
  const end = (cause: unknown): void => {
    dead ??= new L402Error('store_unavailable', 'the thread of the journal has ended', { cause })
    for (const { reject } of waiting.splice(0)) reject(dead)
  }
  worker.on('message', (reply: JournalReply) => {
    const first = waiting.shift()
    if (waiting.length === 0) worker.unref()
    first?.resolve(reply)
  })
  worker.on('error', end)
  worker.on('exit', () => end(undefined))

  const opened = await expect()
  if (!opened.ok) {
    await worker.terminate()
    throw new L402Error(
      opened.code === 'store_incompatible' ? 'store_incompatible' : 'store_unavailable',
      opened.message,
    )
  }
  const ask = (call: JournalCall): Promise<JournalReply> => {
    if (dead !== undefined) return Promise.reject(dead)
    const reply = expect()
    worker.postMessage(call)
    return reply
  }
  const journal = remoteJournal(ask)
  let closing: Promise<void> | undefined
  return {
    ...journal,
    close() {
      closing ??= journal.close().finally(async () => {
        dead ??= new L402Error('store_unavailable', 'the journal is closed')
        await worker.terminate()
      })
      return closing
    },
  }
}
