/**
 * Delivers letters of the journal's outbox: at least once, in the order of each token, tried again for days. The outbox is
 * durable and shared, so a gateway that dies leaves its letters to the next one.
 */

import { createHash } from 'node:crypto'
import type { Journal, Letter, Subscribers } from '@turnpike/l402/server'
import type { Logger } from 'pino'
import { Agent, request } from 'undici'
import type { WebhookConfig } from '../config/webhooks.ts'
import { readWebhookSecrets, WEBHOOK_EVENTS } from '../config/webhooks.ts'
import { describeError } from '../log.ts'
import { signMessage } from './sign.ts'

/** Seconds to the next attempt, as often as there are; then a letter is dead. About four days in all. */
const BACKOFF_SECONDS = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400, 86_400, 86_400]
/** No longer than this, whatever a receiver asks for. */
const ATTEMPT_MS = 15_000
const LEASE_MS = 60_000
const AT_ONCE = 16
/** How often the outbox is looked into for what others have put there. */
const LOOK_MS = 5_000

/** One receiver that is configured. */
interface Receiver {
  readonly config: WebhookConfig
  readonly secrets: readonly Uint8Array[]
}

interface Loop {
  /** There may be more. */
  again: boolean
  timer: NodeJS.Timeout | undefined
  running: Promise<void> | undefined
}

/** What deliveries work with. */
export interface DeliveriesOptions {
  readonly journal: Journal
  readonly log: Pick<Logger, 'warn' | 'error'>
  readonly now?: () => number
  /** Seconds between attempts; for tests. */
  readonly backoffSeconds?: readonly number[]
}

/** See {@link createDeliveries}. */
export interface Deliveries {
  /** Whom the journal is to write letters to. */
  subscribers(): Subscribers
  /** The configured receivers by the name they have in the outbox. */
  receivers(): ReadonlyMap<string, WebhookConfig>
  /** What is answered puts these receivers in force. Throws `CommandError` for a secret that cannot be read. */
  prepare(webhooks: readonly WebhookConfig[]): () => void
  /** There may be something in the outbox. */
  wake(): void
  close(): Promise<void>
}

/** The name of a receiver in the outbox: a new address is another receiver. */
function receiverName(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 16)
}

/** See {@link Deliveries}. */
export function createDeliveries(options: DeliveriesOptions): Deliveries {
  const { journal, log, now = Date.now, backoffSeconds = BACKOFF_SECONDS } = options
  const agent = new Agent({
    connect: { timeout: 5_000 },
    headersTimeout: ATTEMPT_MS,
    bodyTimeout: ATTEMPT_MS,
  })
  let receivers: ReadonlyMap<string, Receiver> = new Map()
  let subscribers: Subscribers = {}
  /** One for each receiver: a slow one keeps nobody else waiting. */
  const loops = new Map<string, Loop>()
  let closed = false

  function wake(): void {
    if (closed) return
    for (const name of receivers.keys()) {
      const loop = loops.get(name) ?? { again: false, timer: undefined, running: undefined }
      loops.set(name, loop)
      wakeOne(name, loop)
    }
  }

  function wakeOne(name: string, loop: Loop): void {
    if (closed) return
    loop.again = true
    clearTimeout(loop.timer)
    loop.running ??= work(name, loop).finally(() => {
      loop.running = undefined
      if (receivers.has(name)) return
      clearTimeout(loop.timer)
      loops.delete(name)
    })
  }

  async function work(name: string, loop: Loop): Promise<void> {
    let waitMs = LOOK_MS
    while (loop.again && !closed && receivers.has(name)) {
      loop.again = false
      try {
        const letters = await journal.take({
          receivers: [name],
          nowMs: now(),
          leaseMs: LEASE_MS,
          limit: AT_ONCE,
        })
        await Promise.all(letters.map((letter) => deliver(letter)))
        if (letters.length > 0) loop.again = true
        else {
          const dueMs = await journal.nextDueMs([name])
          waitMs = dueMs === null ? LOOK_MS : Math.min(LOOK_MS, Math.max(10, dueMs - now()))
        }
      } catch (error) {
        log.warn({ fault: describeError(error) }, 'webhooks cannot be delivered right now')
      }
    }
    if (!closed) loop.timer = setTimeout(() => wakeOne(name, loop), waitMs).unref()
  }

  async function deliver(letter: Letter): Promise<void> {
    const receiver = receivers.get(letter.receiver)
    if (receiver === undefined) return
    const failed = await attempt(letter, receiver)
    if (failed === undefined) {
      await journal.delivered(letter.key, now())
      return
    }
    const seconds = backoffSeconds[letter.attempts - 1]
    const giveUp = failed.forGood || seconds === undefined
    // A tenth more or less, so that not all come back at once.
    const atMs = giveUp ? null : Math.round(now() + seconds * 1000 * (0.9 + Math.random() * 0.2))
    if (giveUp) log.error({ event: letter.eventId, why: failed.why }, 'a webhook is given up')
    await journal.postpone(letter.key, { atMs, nowMs: now(), why: failed.why })
  }

  async function attempt(
    { eventId, body }: Letter,
    { config, secrets }: Receiver,
  ): Promise<{ readonly why: string; readonly forGood: boolean } | undefined> {
    const timestamp = Math.floor(now() / 1000)
    try {
      const { statusCode, body: answer } = await request(config.url, {
        method: 'POST',
        dispatcher: agent,
        signal: AbortSignal.timeout(ATTEMPT_MS),
        headers: {
          'content-type': 'application/json',
          'user-agent': 'turnpike',
          'webhook-id': eventId,
          'webhook-timestamp': String(timestamp),
          'webhook-signature': signMessage({ id: eventId, timestamp, body }, secrets),
        },
        body,
      })
      // Nobody reads it; a long one must not hold the connection.
      await answer.dump({ limit: 16_384 }).catch(() => {})
      if (statusCode >= 200 && statusCode < 300) return undefined
      // 410: the receiver wants to hear nothing more.
      return { why: `answered ${statusCode}`, forGood: statusCode === 410 }
    } catch (error) {
      return { why: describeError(error), forGood: false }
    }
  }

  return {
    subscribers: () => subscribers,
    receivers: () => new Map([...receivers].map(([name, { config }]) => [name, config])),
    prepare(webhooks) {
      const next = new Map(
        webhooks.map((config): [string, Receiver] => [
          receiverName(config.url),
          { config, secrets: readWebhookSecrets(config.secretFile) },
        ]),
      )
      return () => {
        receivers = next
        subscribers = Object.fromEntries(
          WEBHOOK_EVENTS.map((event) => [
            event,
            [...next].flatMap(([name, { config }]) => (config.events.includes(event) ? [name] : [])),
          ]),
        )
        wake()
      }
    },
    wake,
    async close() {
      closed = true
      for (const { timer } of loops.values()) clearTimeout(timer)
      // A letter on its way is waited for: it would be sent twice.
      await Promise.all([...loops.values()].map(({ running }) => running))
      await agent.destroy()
    },
  }
}
