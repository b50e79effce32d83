import { parentPort, workerData } from 'node:worker_threads'
import type { BatchAnswers } from './answers.ts'
import { Engine, type EngineOptions } from './engine.ts'
import type { Revocation } from './revocation-news.ts'

/** What the ledger asks of its worker thread; answered in order. */
export type Command =
  | { readonly do: 'batch'; readonly batch: Uint8Array; readonly nowMs: number }
  | { readonly do: 'prune'; readonly nowMs: number }
  | { readonly do: 'poll' | 'sweep' | 'close' }

/** One per command. */
export interface Reply {
  /** Of a batch that is durable now. */
  readonly answers?: BatchAnswers
  /** Of `prune`: whether there is more to remove. */
  readonly more?: boolean
  /** Why nothing of the command was done. */
  readonly fault?: string
  readonly news: readonly Revocation[]
}

function perform(engine: Engine, command: Command): Omit<Reply, 'news'> {
  switch (command.do) {
    case 'batch':
      return { answers: engine.run(command.batch, command.nowMs) }
    case 'prune':
      return { more: engine.prune(command.nowMs).more }
    default:
      engine[command.do]()
      return {}
  }
}

function answer(engine: Engine, command: Command): Reply {
  try {
    return { ...perform(engine, command), news: engine.takeNews() }
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error), news: [] }
  }
}

const port = parentPort
if (port !== null) {
  const engine = new Engine(workerData as EngineOptions)
  port.on('message', (command: Command) => {
    const reply = answer(engine, command)
    port.postMessage(reply, reply.answers === undefined ? [] : [reply.answers.numbers.buffer])
  })
}
