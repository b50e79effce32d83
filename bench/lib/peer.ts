/** What every process of the proxy benchmarks is started and stopped with. */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { endChild, removeFolder } from './clean-up.ts'

/** A started process. */
export interface Peer {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** Whether a program is installed: it answers to this. */
export function isInstalled(program: string, argument: string): boolean {
  return spawnSync(program, [argument], { stdio: 'ignore' }).status === 0
}

/** A child as a peer; a folder of its own goes with it. */
export function peer(child: ChildProcess, url: string, folder?: string): Peer {
  if (child.pid === undefined) throw new Error(`could not start ${child.spawnfile}`)
  return {
    url,
    pid: child.pid,
    stop: async () => {
      await endChild(child)
      if (folder !== undefined) removeFolder(folder)
    },
  }
}

/** Waits until there is an answer. Throws after 30 seconds. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const found = await probe()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`waited 30 s for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The end of what a child says on standard error, for when it does not start. */
export function lastWords(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.on('data', (chunk) => {
    text = (text + chunk).slice(-4000)
  })
  return () => {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${child.spawnargs.join(' ')} ended:\n${text}`)
    return text
  }
}

/** A port that nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
