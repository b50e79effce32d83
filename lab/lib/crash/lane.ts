/** One lane of the crash suite: one store, a gateway that is killed on it again and again, and its clients. */

import { setTimeout as pause } from 'node:timers/promises'
import type { Books } from '../books.ts'
import type { Budget } from '../budget.ts'
import { startRecordingUpstream } from '../recording-upstream.ts'
import { emptyWallet } from '../wallet.ts'
import { shopConfig, type Ware } from '../wares.ts'
import { awhile, type Client, createClient, orderFor } from './clients.ts'
import { createLives, planOf } from './lives.ts'
import { createRepeats, type RepeatCounts, type Repeats } from './repeats.ts'
import type { Counts, Life, Scene } from './scene.ts'
import { createStock, type Stock } from './stock.ts'
import { contradictions, type KindVerdict, verdicts } from './verdict.ts'

/** What a lane runs on. */
export interface LaneOptions {
  readonly wares: readonly Ware[]
  readonly kills: number
  /** Makes a folder with this `turnpike.yaml`. */
  readonly folderWith: (config: string) => string
  /** As it stands in `turnpike.yaml`. */
  readonly store: string
  readonly openBooks: (folder: string) => Promise<Books> | Books
  /** Whether the next gateway gives back at its start what the one before held; else when it looks for the dead. */
  readonly sweptAtStart: boolean
}

/** What came of it. */
export interface LaneResult {
  readonly kills: number
  readonly counts: Counts
  readonly repeats: RepeatCounts
  readonly kinds: readonly KindVerdict[]
  /** Reservations that nobody ended. */
  readonly leftOver: number
  /** What must not have happened. */
  readonly faults: readonly string[]
}

const CLIENTS = 16
const BUYERS = 2
/** How long the books may know reservations of the dead. */
const SWEEP_MS = 30_000

/** Runs it. */
export async function runLane(options: LaneOptions): Promise<LaneResult> {
  const upstream = await startRecordingUpstream()
  const config = shopConfig(options.wares, { store: options.store, upstream: upstream.origin })
  const folder = options.folderWith(config)
  const lives = createLives(folder, (connected) => {
    upstream.connected = connected
  })
  const scene: Scene = {
    upstream,
    wallet: emptyWallet(),
    wares: options.wares,
    counts: {
      ...{ requests: 0, served: 0, replayed: 0, cut: 0, answered: 0, seen: 0, refused: 0 },
      ...{ bought: 0, toppedUp: 0, purchasesCut: 0 },
    },
    faults: [],
    life: () => lives.current(),
    moment: (moment) => lives.moment(moment),
  }
  upstream.onMoment = scene.moment
  const stock = createStock(scene)
  const repeats = createRepeats(scene, stock)

  const first = await lives.start()
  const books = await options.openBooks(folder)
  const clients = Array.from({ length: CLIENTS }, () => createClient(scene))
  while (await stock.refill(first)) await audit(scene, books)
  const working = [
    ...clients.map((client) => work(client, { scene, stock, repeats })),
    ...Array.from({ length: BUYERS }, () => shop(scene, stock)),
  ]
  // A client that fails ends the lane, not only itself.
  const broken = Promise.all(working).then(() => undefined)
  broken.catch(() => lives.end())

  let life = first
  for (let n = 0; n < options.kills && scene.faults.length < 20; n++) {
    const plan = planOf(n)
    if (plan.at === 'starting') {
      await lives.killStarting(plan.delayMs)
      continue
    }
    if (n > 0) life = await nextLife()
    await Promise.race([lives.untilKilled(life, plan), broken])
  }
  lives.end()
  await broken
  life = await nextLife()

  async function nextLife(): Promise<Life> {
    const started = await lives.start()
    const { reservations } = await audit(scene, books)
    if (options.sweptAtStart && reservations > 0)
      scene.faults.push(`${reservations} reservations of the dead were kept at a start`)
    return started
  }

  const leftOver = await settled(scene, books)
  upstream.connected = true
  const drained = await drain(life, { scene, stock, clients })
  await repeats.repeatAll(clients[0] as Client, life)
  for (const client of clients) {
    client.settle()
    client.close()
  }
  const { code } = await life.program.stop()
  if (code !== 0) scene.faults.push(`the last gateway ended with ${code}`)
  const page = await audit(scene, books)
  if (page.reservations > 0) scene.faults.push(`${page.reservations} reservations after a clean end`)
  await books.close()
  await upstream.close()
  return {
    kills: options.kills,
    counts: scene.counts,
    repeats: repeats.counts(),
    kinds: verdicts(page, scene.wallet, drained),
    leftOver,
    faults: scene.faults,
  }
}

interface Workplace {
  readonly scene: Scene
  readonly stock: Stock
  readonly repeats: Repeats
}

async function work(client: Client, { scene, stock, repeats }: Workplace): Promise<void> {
  for (;;) {
    const life = await scene.life()
    if (life === undefined) return
    if (Math.random() < 0.2) {
      await repeats.send(client, life)
      continue
    }
    const picked = stock.pick()
    if (picked === undefined) {
      await awhile()
      continue
    }
    const { credential } = picked
    const result = await client.send(life, credential, { order: orderFor(credential) })
    if (result.outcome === 'answered' && result.answer.status === 402)
      await stock.exhausted(life, picked, result.answer)
  }
}

async function shop(scene: Scene, stock: Stock): Promise<void> {
  for (;;) {
    const life = await scene.life()
    if (life === undefined) return
    if (!(await stock.refill(life))) await awhile()
  }
}

async function audit(scene: Scene, books: Books): ReturnType<Books['read']> {
  const page = await books.read()
  scene.faults.push(...contradictions(page, scene.wallet))
  return page
}

/** Waits until what the dead held is given back; answers what is not. */
async function settled(scene: Scene, books: Books): Promise<number> {
  const endsAt = performance.now() + SWEEP_MS
  for (;;) {
    const { reservations } = await audit(scene, books)
    if (reservations === 0 || performance.now() > endsAt) return reservations
    await pause(100)
  }
}

/** Uses up everything; answers the budgets of which a whole credential was used up. */
async function drain(
  life: Life,
  { scene, stock, clients }: { scene: Scene; stock: Stock; clients: readonly Client[] },
): Promise<ReadonlySet<Budget>> {
  const drained = new Set<Budget>()
  const left = [...stock.holdings]
  await Promise.all(
    clients.map(async (client) => {
      for (let holding = left.pop(); holding !== undefined; holding = left.pop()) {
        for (const credential of holding.credentials) {
          for (;;) {
            const order = { ...orderFor(credential, 'whole'), units: 50, bytes: 2_000 }
            const result = await client.send(life, credential, { order })
            if (result.outcome === 'served') continue
            if (result.outcome === 'answered' && result.answer.status === 402) break
            throw new Error(`not to be used up: ${credential.ware.route}, ${scene.faults.join(', ')}`)
          }
          const [only, ...more] = credential.budgets
          if (only !== undefined && more.length === 0) drained.add(only)
        }
      }
    }),
  )
  return drained
}
