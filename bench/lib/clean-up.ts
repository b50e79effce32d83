/**
 * What a benchmark leaves behind, however it ends: nothing. Children are killed and folders removed when this process
 * exits, also after a failure, Ctrl-C or a signal.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const children = new Set<ChildProcess>()
const folders = new Set<string>()
const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  for (const folder of folders) removeFolder(folder)
})
for (const [name, number] of Object.entries(signals)) process.on(name, () => process.exit(128 + number))

/** A child that does not outlive this process. */
export function spawnChild(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, options)
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** Ends a child politely and waits for it; after a while no longer politely. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const impatience = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(impatience)
}

/**
 * A folder that does not outlive this process. Beside the benchmarks, not in the system's temporary folder: that one
 * may be in memory, where a durable write costs nothing.
 */
export function makeFolder(): string {
  const folder = mkdtempSync(join(import.meta.dirname, '..', '.run-'))
  folders.add(folder)
  return folder
}

/** Removes a folder of {@link makeFolder}. */
export function removeFolder(folder: string): void {
  folders.delete(folder)
  // A child that was just killed may have made a file meanwhile.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}
