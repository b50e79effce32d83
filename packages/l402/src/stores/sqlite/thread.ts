import { Worker } from 'node:worker_threads'
import { L402Error } from '../../core/errors.ts'
import type { EngineOptions } from './engine.ts'
import type { Command, Reply } from './worker.ts'

const workerFile = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

type Waiting = (reply: Reply | L402Error) => void

/**
 * The thread that owns the connection. SQLite waits for the disk and for other processes' locks; it must not make
 * the thread that serves requests wait with it.
 */
export class EngineThread {
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []
  #dead: L402Error | undefined

  constructor(options: EngineOptions) {
    // Of this process's Node options it wants only those about warnings; `--input-type` would keep it from starting.
    const execArgv = process.execArgv.filter((arg) => /^--(no-warnings$|disable-warning=)/.test(arg))
    this.#worker = new Worker(workerFile, { workerData: options, name: 'turnpike-ledger', execArgv })
    this.#worker.unref()
    this.#worker.on('message', (reply: Reply) => {
      const waiting = this.#waiting.shift()
      if (this.#waiting.length === 0) this.#worker.unref()
      waiting?.(reply)
    })
    this.#worker.on('error', (error) => this.#end(error))
    this.#worker.on('exit', () => this.#end(undefined))
  }

  /** `waiting` gets the reply, or why there will be none. The process stays alive until then. */
  send(command: Command, waiting: Waiting): void {
    if (this.#dead !== undefined) {
      waiting(this.#dead)
      return
    }
    if (this.#waiting.push(waiting) === 1) this.#worker.ref()
    this.#worker.postMessage(command, command.do === 'batch' ? [command.batch.buffer as ArrayBuffer] : [])
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #end(cause: unknown): void {
    this.#dead ??= new L402Error('store_unavailable', 'the thread of the ledger has ended', { cause })
    for (const waiting of this.#waiting.splice(0)) waiting(this.#dead)
  }
}
