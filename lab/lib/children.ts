/** Processes that a suite starts, listens to and kills. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const ledgerChild = fileURLToPath(new URL('../../packages/l402/test/ledger-child.ts', import.meta.url))

/** A process that says lines. */
export interface Child {
  readonly process: ChildProcess
  /** What it has said, line by line; complete once `ended` has resolved. */
  readonly lines: readonly string[]
  readonly ended: Promise<number | null>
  /** Resolves once it has said `count` lines. */
  said(count: number): Promise<void>
  kill(): Promise<void>
}

/** Starts `packages/l402/test/ledger-child.ts` on a ledger. */
export function startLedgerChild(mode: string, ...store: readonly string[]): Child {
  const child = spawn(process.execPath, ['--conditions=turnpike:source', ledgerChild, mode, ...store], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    child.stdout.emit('lines')
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return {
    process: child,
    lines,
    ended,
    async said(count): Promise<void> {
      while (lines.length < count) {
        const more = once(child.stdout, 'lines').then(() => true)
        if (!(await Promise.race([more, ended.then(() => false)])))
          throw new Error(`the child ended early: ${lines.join(' ')}`)
      }
    },
    async kill(): Promise<void> {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await ended
    },
  }
}
