/**
 * Which payments may be held for this gateway: a file beside its configuration, so that one that was stopped in whatever way
 * knows what it has to settle or to give back. Nothing in it is a secret.
 */

import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises'

/** A payment that may be held. */
export interface OpenHold {
  /** 64 hex digits. */
  readonly paymentHash: string
  /** 64 hex digits. */
  readonly tokenId: string
  /** Unix seconds until which it can be paid. */
  readonly expiresAt: number
  /** Whether what was bought is there to be had: then it is settled, else given back. */
  readonly answered: boolean
}

/** See {@link openHoldJournal}. Everything rejects where the file cannot be written. */
export interface HoldJournal {
  /** What was open when the file was opened. */
  readonly found: readonly OpenHold[]
  /** Durable when it resolves. */
  add(hold: OpenHold): Promise<void>
  /** It is settled, or given back, or was never paid. */
  done(paymentHash: string): Promise<void>
  close(): Promise<void>
}

/** Lines from which on the file begins anew as soon as nothing is open. */
const LONG = 1_000

/** Opens the file, which comes to be where there is none. */
export async function openHoldJournal(file: string): Promise<HoldJournal> {
  const found = readLines(await readFile(file, 'utf8').catch(whereNone))
  const fresh = `${file}.new`
  await rm(fresh, { force: true })
  const handle = await open(fresh, 'a', 0o600)
  await write(handle, found.map(lineOf).join(''))
  await rename(fresh, file)
  const pending = new Set(found.map(({ paymentHash }) => paymentHash))
  let lines = found.length
  let last: Promise<unknown> = Promise.resolve()

  /** One after the other. */
  function queued(task: () => Promise<void>): Promise<void> {
    const run = last.then(task)
    last = run.catch(() => {})
    return run
  }

  return {
    found,
    add: (hold) =>
      queued(async () => {
        await write(handle, lineOf(hold))
        pending.add(hold.paymentHash)
        lines++
      }),
    done: (paymentHash) =>
      queued(async () => {
        pending.delete(paymentHash)
        lines++
        // What is lost of this is looked up once more.
        await handle.write(`${JSON.stringify({ paymentHash, done: true })}\n`)
        if (pending.size > 0 || lines < LONG) return
        await handle.truncate(0)
        lines = 0
      }),
    close: () => queued(() => handle.close()),
  }
}

async function write(handle: FileHandle, text: string): Promise<void> {
  if (text !== '') await handle.write(text)
  await handle.datasync()
}

function lineOf(hold: OpenHold): string {
  return `${JSON.stringify(hold)}\n`
}

function whereNone(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return ''
  throw error
}

/** A last line that was not written whole was never told to anybody. */
function readLines(text: string): readonly OpenHold[] {
  const holds = new Map<string, OpenHold>()
  for (const line of text.split('\n')) {
    let read: Partial<OpenHold> & { readonly done?: boolean }
    try {
      read = JSON.parse(line.replaceAll('\0', '')) as typeof read
    } catch {
      continue
    }
    const { paymentHash = '', tokenId = '', expiresAt = 0, answered = false, done } = read
    if (done === true) holds.delete(paymentHash)
    else if (/^[0-9a-f]{64}$/.test(paymentHash) && /^[0-9a-f]{64}$/.test(tokenId))
      holds.set(paymentHash, { paymentHash, tokenId, expiresAt, answered })
  }
  return [...holds.values()]
}
