/** A command's surroundings, kept in memory. */

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Io, ServeSignal } from '../src/cli/io.ts'
import { run } from '../src/main.ts'

export interface TestIo extends Io {
  readonly exits: number[]
  out(): string
  err(): string
  signal(signal: ServeSignal): void
  /** Resolves when standard error holds this text. */
  seen(text: string): Promise<void>
}

/** A new folder below the system's temporary one. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'turnpike-test-'))
}

export function testIo(cwd: string, env: Record<string, string | undefined> = {}): TestIo {
  let out = ''
  let err = ''
  const listeners = new Map<ServeSignal, Set<() => void>>()
  const waiting = new Set<{ text: string; resolve: () => void }>()
  const exits: number[] = []
  return {
    cwd,
    env,
    exits,
    stdout: (text) => {
      out += text
    },
    stderr: (text) => {
      err += text
      for (const entry of waiting) {
        if (!err.includes(entry.text)) continue
        waiting.delete(entry)
        entry.resolve()
      }
    },
    onSignal(signal, listener) {
      const set = listeners.get(signal) ?? new Set()
      listeners.set(signal, set.add(listener))
      return () => void set.delete(listener)
    },
    exit: (code) => void exits.push(code),
    out: () => out,
    err: () => err,
    signal: (signal) => {
      for (const listener of [...(listeners.get(signal) ?? [])]) listener()
    },
    seen: (text) =>
      new Promise((resolve) => {
        if (err.includes(text)) resolve()
        else waiting.add({ text, resolve })
      }),
  }
}

/** Runs `turnpike ARGS` to its end. */
export async function turnpike(
  cwd: string,
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<{ code: number; out: string; err: string }> {
  const io = testIo(cwd, env)
  const code = await run(args, io)
  return { code, out: io.out(), err: io.err() }
}
