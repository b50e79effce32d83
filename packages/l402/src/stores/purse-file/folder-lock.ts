/**
 * A lock that holds across processes and dies with its holder, of nothing but files in a folder: Lamport's bakery. Who
 * wants it takes a ticket with a number above all others, and has it when no lower ticket is there. Tickets of
 * processes that ended are cleared away by whoever sees them, those of living ones by nobody else: no two can hold the
 * lock, whatever stops in between.
 */

import { closeSync, openSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { lockQueue } from '../lib/lock-queue.ts'
import { pause } from '../lib/pause.ts'
import { makeFolder } from '../lib/private-files.ts'
import { hasEnded, newProcessId } from './process-id.ts'

/** How often a lock that somebody else holds is looked at again. */
const RETRY_MS = 10

// One queue per process: those within it need not poll for each other.
const queue = lockQueue()

/** Runs `task` while holding the lock of `folder`, which is made where it is missing. */
export function withFolderLock<T>(
  folder: string,
  { task, signal }: { readonly task: () => Promise<T>; readonly signal?: AbortSignal | undefined },
): Promise<T> {
  return queue.run(
    folder,
    async () => {
      const release = await acquire(folder, signal)
      try {
        return await task()
      } finally {
        release()
      }
    },
    signal,
  )
}

async function acquire(folder: string, signal: AbortSignal | undefined): Promise<() => void> {
  makeFolder(folder)
  const id = newProcessId()
  const choosing = join(folder, `choosing-${id}`)
  let ticket: string | undefined
  try {
    put(choosing)
    const highest = Math.max(0, ...tickets(folder).map(({ number }) => number))
    const mine = { number: highest + 1, id }
    ticket = join(folder, `ticket-${mine.number}-${id}`)
    const own = ticket
    put(own)
    rmSync(choosing)
    // Who was not choosing at that moment either has a ticket that is seen now, or will see this one and come after it.
    while (someoneChooses(folder) || tickets(folder).some((other) => isBefore(other, mine)))
      await pause(RETRY_MS, signal)
    return () => rmSync(own)
  } catch (error) {
    rmSync(choosing, { force: true })
    if (ticket !== undefined) rmSync(ticket, { force: true })
    throw error
  }
}

function put(file: string): void {
  closeSync(openSync(file, 'wx', 0o600))
}

interface Ticket {
  readonly number: number
  readonly id: string
}

function isBefore(a: Ticket, b: Ticket): boolean {
  return a.number < b.number || (a.number === b.number && a.id < b.id)
}

function someoneChooses(folder: string): boolean {
  return living(folder, 'choosing-').length > 0
}

function tickets(folder: string): readonly Ticket[] {
  return living(folder, 'ticket-').map((name) => {
    const [, number = '', id = ''] = name.split('-')
    return { number: Number(number), id }
  })
}

/** Names of those whose process lives; the others are cleared away. */
function living(folder: string, prefix: string): readonly string[] {
  return readdirSync(folder).filter((name) => {
    if (!name.startsWith(prefix)) return false
    if (!hasEnded(name.slice(name.lastIndexOf('-') + 1))) return true
    rmSync(join(folder, name), { force: true })
    return false
  })
}
