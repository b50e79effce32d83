import { parentPort, workerData } from 'node:worker_threads'
import { type BatchAnswers, Engine, type EngineOptions, type RevocationNews } from './engine.ts'

/** What the ledger asks of its worker thread; answered in order. */
export type Command =
  | { readonly do: 'batch'; readonly batch: Uint8Array; readonly nowMs: number }
  | { readonly do: 'poll' | 'sweep' | 'close' }

/** One per command. */
export interface Reply {
  /** Of a batch that is durable now. */
  readonly answers?: BatchAnswers
  /** Why nothing of the command was done. */
  readonly fault?: string
  readonly news: readonly RevocationNews[]
}

function perform(engine: Engine, command: Command): Reply {
  try {
    const answers = command.do === 'batch' ? engine.run(command.batch, command.nowMs) : undefined
    if (command.do !== 'batch') engine[command.do]()
    return answers === undefined ? { news: engine.takeNews() } : { answers, news: engine.takeNews() }
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error), news: [] }
  }
}

const port = parentPort
if (port !== null) {
  const engine = new Engine(workerData as EngineOptions)
  port.on('message', (command: Command) => {
    const reply = perform(engine, command)
    port.postMessage(reply, reply.answers === undefined ? [] : [reply.answers.buffer])
  })
}
