/** Sixteen buyers on one purse, killed at random and started again. */

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Random } from '../random.ts'

/** A crowd in which nothing has come to an end for so long is stuck. */
const STUCK_MS = 120_000
const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url))

/** What the buyers share, and how much they buy. */
export interface CrowdPlan {
  readonly file: string
  readonly server: string
  readonly wallet: string
  readonly processes: number
  /** Purchases of each. */
  readonly purchases: number
  readonly kills: number
  readonly random: Random
  /** Called once half of it is done and everybody has been killed; nobody runs meanwhile. */
  readonly halfway: () => Promise<void>
}

/** What became of it. */
export interface CrowdCounts {
  kills: number
  served: number
  refused: number
  /** Answers that left a purchase to be tried again, by their kind. */
  readonly again: Map<string, number>
}

/** Runs the crowd to its end. */
export async function runCrowd(plan: CrowdPlan): Promise<CrowdCounts> {
  const { processes, purchases, random } = plan
  const counts: CrowdCounts = { kills: 0, served: 0, refused: 0, again: new Map() }
  const next = Array<number>(processes).fill(0)
  const running = new Map<number, { child: ChildProcess; ended: Promise<void> }>()
  const all = processes * purchases
  const every = Math.max(1, Math.floor(all / plan.kills))
  /** What each worker said last. */
  const said = Array<string>(processes).fill('nothing')
  let progressAt = Date.now()
  let paused = false
  let broken: Error | undefined

  const hear = (worker: number, line: string): void => {
    said[worker] = line
    const [verb, index = '', kind = '', ...reason] = line.split(' ')
    if (verb !== 'end') {
      counts.again.set(kind, (counts.again.get(kind) ?? 0) + 1)
      return
    }
    next[worker] = Number(index) + 1
    progressAt = Date.now()
    if (kind === 'served') counts.served++
    else if (reason.join(' ') === 'over_budget') counts.refused++
    else broken = new Error(`worker ${worker}: ${line}`)
    if ((counts.served + counts.refused) % every === 0) {
      const victim = random.below(processes)
      setTimeout(() => kill(victim), random.below(40))
    }
  }
  const kill = (worker: number): void => {
    if (running.get(worker)?.child.kill('SIGKILL')) counts.kills++
  }
  const start = (worker: number): void => {
    const { file, server, wallet } = plan
    const args = [file, server, wallet, `${worker}`, `${next[worker]}`, `${purchases}`]
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', WORKER, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let rest = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) hear(worker, line)
    })
    const ended = new Promise<void>((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(worker)
        resolve()
        if (signal !== 'SIGKILL' && code !== 0) broken = new Error(`worker ${worker} ended with ${code}`)
        if (!paused && !broken && (next[worker] ?? 0) < purchases) start(worker)
      })
    })
    running.set(worker, { child, ended })
  }
  const untilDone = async (share: number): Promise<void> => {
    progressAt = Date.now()
    while (counts.served + counts.refused < all * share && running.size > 0) {
      await Promise.race([...running.values()].map(({ ended }) => ended).concat(tick()))
      if (Date.now() - progressAt > STUCK_MS) broken = new Error(`stuck; ${stillRunning()}`)
      if (broken) break
    }
  }
  const stillRunning = (): string =>
    [...running.keys()].map((worker) => `worker ${worker} said last: ${said[worker]}`).join('; ')
  const startAll = (): void => {
    for (let worker = 0; worker < processes; worker++) if ((next[worker] ?? 0) < purchases) start(worker)
  }
  const stopAll = async (): Promise<void> => {
    paused = true
    const ends = [...running.values()].map(({ ended }) => ended)
    for (const worker of running.keys()) kill(worker)
    await Promise.all(ends)
    paused = false
  }

  try {
    startAll()
    await untilDone(0.5)
    await stopAll()
    if (broken) throw broken
    await plan.halfway()
    startAll()
    await untilDone(1)
    if (broken) throw broken
    return counts
  } finally {
    await stopAll()
  }
}

/** A moment, so that progress is looked at although no process ends. */
function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20))
}
