/**
 * The LDK library, loaded once per process: one WASM instance holds the nodes of every sandbox. It does not
 * recover from a panic, so every call goes through {@link LdkRuntime.run}, which remembers the first fault.
 */

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { L402Error } from '../../core/errors.ts'

export type Ldk = typeof import('lightningdevkit')
export type TransactionCoder = typeof import('@scure/btc-signer/script.js')['RawTx']

const MISSING =
  'sandbox Lightning needs two packages that are not installed; run: npm i lightningdevkit @scure/btc-signer'

/** The loaded library and whether it still works. */
export class LdkRuntime {
  readonly ldk: Ldk
  readonly transactions: TransactionCoder
  readonly #watchers = new Set<(fault: L402Error) => void>()
  #fault: L402Error | undefined

  constructor(ldk: Ldk, transactions: TransactionCoder) {
    this.ldk = ldk
    this.transactions = transactions
  }

  /** Throws what broke the library for good, if anything has. */
  assertAlive(): void {
    if (this.#fault !== undefined) throw this.#fault
  }

  /**
   * Calls into LDK. Whatever it throws is fatal for the WASM instance: panics poison its locks. LDK writes a
   * panic's text with `console.log`; it goes into the error, not to standard output.
   */
  run<T>(work: (ldk: Ldk) => T): T {
    this.assertAlive()
    const printed: string[] = []
    const log = console.log
    console.log = (...parts: unknown[]) => void printed.push(parts.join(' '))
    try {
      return work(this.ldk)
    } catch (error) {
      if (error === this.#fault) throw error
      throw this.#fail(error, printed.join(' '))
    } finally {
      console.log = log
    }
  }

  /** Calls `watcher` when the library breaks. Returns the function that stops watching. */
  watch(watcher: (fault: L402Error) => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  #fail(cause: unknown, printed: string): L402Error {
    const why = printed || (cause instanceof Error ? cause.message : String(cause))
    const fault = new L402Error(
      'lightning_unavailable',
      `sandbox Lightning broke and works again only after a restart of the process: ${why}`,
      { cause },
    )
    this.#fault = fault
    for (const watcher of this.#watchers) watcher(fault)
    this.#watchers.clear()
    return fault
  }
}

let loading: Promise<LdkRuntime> | undefined

/** The process's one runtime. Throws `lightning_unavailable` where the two packages are not installed. */
export async function loadRuntime(): Promise<LdkRuntime> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined
    throw error
  })
  return await loading
}

async function load(): Promise<LdkRuntime> {
  const [ldk, { RawTx }] = await importPeers()
  const folder = dirname(createRequire(import.meta.url).resolve('lightningdevkit'))
  const binary = await readFile(join(folder, 'liblightningjs.wasm'))
  await withoutGreeting(() => ldk.initializeWasmFromBinary(binary))
  return new LdkRuntime(ldk, RawTx)
}

async function importPeers(): Promise<[Ldk, { RawTx: TransactionCoder }]> {
  try {
    return await Promise.all([import('lightningdevkit'), import('@scure/btc-signer/script.js')])
  } catch (cause) {
    throw new L402Error('lightning_unavailable', MISSING, { cause })
  }
}

/** The library greets with a line on standard output, which would spoil a program's own output. */
async function withoutGreeting(initialise: () => Promise<void>): Promise<void> {
  const log = console.log
  const quiet = (...parts: unknown[]): void => {
    if (!String(parts[0]).startsWith('Loaded LDK')) log(...parts)
  }
  console.log = quiet
  try {
    await initialise()
  } finally {
    if (console.log === quiet) console.log = log
  }
}
