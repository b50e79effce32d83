/** The workers: started, asked, told of new orders, restarted when they die. */

import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { CommandError, exitCode } from '../cli/exit.ts'
import { describeError } from '../log.ts'
import type { MetricValues } from '../metrics/metrics.ts'
import type { FirstOrders, MainCalls, Orders, WorkerCalls } from './calls.ts'
import { channelTo } from './channels.ts'
import { connectPeer, type Handlers, type Peer } from './rpc.ts'
import { StandingOrders } from './standing-orders.ts'

/** What a crew is made of. */
export interface CrewOptions {
  readonly size: number
  /** Answers what workers ask. */
  readonly handlers: Handlers<MainCalls>
  readonly log: Logger
  /** Told that a worker has ended, with what it had counted when it was last asked, and its number. */
  readonly onEnded: (counted: MetricValues | undefined, worker: number) => void
}

interface Member {
  readonly worker: Worker
  readonly peer: Peer<WorkerCalls>
  counted: MetricValues | undefined
}

const workerFile = new URL(
  import.meta.url.endsWith('.ts') ? './worker-process.ts' : './worker-process.js',
  import.meta.url,
)

const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 30_000
/** A worker that served for so long has died for another reason than the one before it. */
const STEADY_MS = 60_000

/** So many processes that serve. */
export class Crew {
  readonly #options: CrewOptions
  readonly #members = new Set<Member>()
  readonly #timers = new Set<NodeJS.Timeout>()
  // Processes that load their program while the rest of the gateway opens.
  readonly #fresh: Worker[]
  #orders: StandingOrders | undefined
  #waitMs = FIRST_WAIT_MS
  #ending = false

  constructor(options: CrewOptions) {
    this.#options = options
    cluster.setupPrimary({
      exec: fileURLToPath(workerFile),
      args: [],
      // The warning that Node's SQLite is experimental is not for the log.
      execArgv: [...process.execArgv, '--disable-warning=ExperimentalWarning'],
      serialization: 'advanced',
      silent: false,
    })
    this.#fresh = Array.from({ length: options.size }, () => cluster.fork())
  }

  /** How many workers serve. */
  get serving(): number {
    return this.#orders?.serving ?? 0
  }

  /** Lets all begin; answers the URLs they serve. Throws what the first of them threw. */
  async start(orders: FirstOrders): Promise<readonly string[]> {
    this.#orders = new StandingOrders(orders, (unfit) => {
      for (const { peer, worker } of this.#members) if (peer === unfit) worker.kill('SIGKILL')
    })
    const all = await Promise.all(Array.from({ length: this.#options.size }, () => this.#startOne()))
    return all[0] ?? []
  }

  async #startOne(): Promise<readonly string[]> {
    const worker = this.#fresh.shift() ?? cluster.fork()
    const peer = connectPeer<MainCalls, WorkerCalls>(channelTo(worker), this.#options.handlers)
    const member: Member = { worker, peer, counted: undefined }
    this.#members.add(member)
    const startedAt = performance.now()
    worker.on('error', () => {})
    worker.once('exit', (code, signal) => {
      const served = this.#orders?.serves(peer) === true
      this.#members.delete(member)
      this.#orders?.leave(peer)
      this.#options.onEnded(member.counted, worker.id)
      if (this.#ending || !served) return
      this.#options.log.error({ worker: worker.id, code, signal }, 'a worker ended; another is started')
      if (performance.now() - startedAt > STEADY_MS) this.#waitMs = FIRST_WAIT_MS
      this.#startLater()
    })
    try {
      if (this.#orders === undefined) throw new TypeError('expected orders before a worker is started')
      return await this.#orders.begin(peer)
    } catch (error) {
      worker.kill('SIGKILL')
      throw error
    }
  }

  #startLater(): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      if (this.#ending) return
      this.#startOne().catch((error: unknown) => {
        if (this.#ending) return
        this.#options.log.error({ fault: describeError(error) }, 'a worker could not be started')
        this.#startLater()
      })
    }, this.#waitMs)
    this.#timers.add(timer)
    this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 2)
  }

  /** See {@link StandingOrders.prepare}. */
  prepare(next: Orders): Promise<() => Promise<void>> {
    if (this.#orders === undefined) throw new TypeError('expected orders to have been given before')
    return this.#orders.prepare(next)
  }

  /** What each worker has counted; what it had counted before where it does not answer in time. */
  async metrics(): Promise<readonly MetricValues[]> {
    const all = await Promise.all(
      [...this.#members].map(async (member) => {
        if (this.#orders?.serves(member.peer) !== true) return []
        member.counted = await member.peer.call('metrics', undefined, 2_000).catch(() => member.counted)
        return member.counted === undefined ? [] : [member.counted]
      }),
    )
    return all.flat()
  }

  reopenLogs(): void {
    for (const { peer } of this.#members) peer.call('reopen', undefined).catch(() => {})
  }

  /** Lets all finish what runs, at most `timeoutMs`, and ends them; answers whether all was finished. */
  async stop(timeoutMs: number): Promise<boolean> {
    this.#ending = true
    for (const timer of this.#timers) clearTimeout(timer)
    for (const worker of this.#fresh.splice(0)) worker.kill('SIGKILL')
    const members = [...this.#members]
    const finished = await Promise.all(
      members.map(async ({ worker, peer }) => {
        const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
        const serves = this.#orders?.serves(peer) === true
        const done = serves ? await peer.call('stop', undefined, timeoutMs).catch(() => false) : true
        worker.kill('SIGKILL')
        await gone
        return done
      }),
    )
    return finished.every((done) => done)
  }

  /** Throws `CommandError` unless all workers serve; for readiness. */
  async checkAllServe(): Promise<void> {
    if (this.serving < this.#options.size)
      throw new CommandError(exitCode.failed, `${this.serving} of ${this.#options.size} workers serve`)
  }
}
