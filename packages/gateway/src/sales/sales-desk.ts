/** Everything about sales that runs beside the data plane: journal, recorder, refunds, webhooks, live events. */

import { decodeHex } from '@turnpike/l402'
import type { InvoiceBackend, InvoiceDetails } from '@turnpike/l402/lightning'
import type { Journal, SaleEvent, SalesWatcher, Subscribers } from '@turnpike/l402/server'
import { memoryJournal } from '@turnpike/l402/store/memory'
import { postgresJournal } from '@turnpike/l402/store/postgres'
import { redisJournal } from '@turnpike/l402/store/redis'
import { sqliteJournal } from '@turnpike/l402/store/sqlite'
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { WebhookConfig } from '../config/webhooks.ts'
import { describeError } from '../log.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Ledger } from '../metrics/watched.ts'
import { createDeliveries } from '../webhooks/deliver.ts'
import { type EventHub, eventHub } from './event-hub.ts'
import { nodeName } from './node-name.ts'
import { watchOpenInvoices } from './open-invoices.ts'
import { createRecorder } from './recorder.ts'
import { createRefunds, type Refunds } from './refunds.ts'
import { followSettlements } from './settlements.ts'

/** Opens the journal of a configuration's store; after the ledger. Throws like the ledger. */
function openJournal({ store }: Pick<Config, 'store'>): Promise<Journal> {
  switch (store.kind) {
    case 'memory':
      return memoryJournal()
    case 'sqlite':
      return sqliteJournal({ file: store.file })
    case 'postgres':
      return postgresJournal({ url: store.url })
    case 'redis':
      return redisJournal({ url: store.url })
  }
}

/** What a desk works with. */
interface SalesDeskOptions {
  readonly ledger: Pick<Ledger, 'credit' | 'read'>
  readonly lightning: InvoiceBackend
  readonly config: Config
  readonly metrics: Pick<Metrics, 'settled'>
  readonly log: Logger
}

/** See the file's comment. */
export interface SalesDesk {
  /** For the gate. */
  readonly watcher: SalesWatcher
  readonly journal: Journal
  readonly refunds: Refunds
  readonly events: EventHub
  readonly subscribers: () => Subscribers
  readonly receivers: () => ReadonlyMap<string, WebhookConfig>
  readonly onEvents: (events: readonly SaleEvent[]) => void
  readonly wakeDeliveries: () => void
  /** What is answered puts `next` in force, without fail. Throws `CommandError` for a webhook's secret that cannot be read. */
  prepare(next: Config): () => void
  close(): Promise<void>
}

const CHORES_MS = 60_000
const FLUSH_MS = 5_000
/** Most invoices that are looked after at a time. */
const WATCHED_MAX = 20_000

/** Opens the journal and starts the rest. Throws like the ledger, and `CommandError` for a webhook's secret that cannot be read. */
export async function openSalesDesk(options: SalesDeskOptions): Promise<SalesDesk> {
  const journal = await openJournal(options.config)
  try {
    return startSalesDesk(journal, options)
  } catch (error) {
    await journal.close()
    throw error
  }
}

function startSalesDesk(journal: Journal, options: SalesDeskOptions): SalesDesk {
  const { ledger, lightning, metrics, log } = options
  let { config } = options
  const events = eventHub()
  const deliveries = createDeliveries({ journal, log })
  deliveries.prepare(config.webhooks)()
  const { subscribers } = deliveries
  const onEvents = (found: readonly SaleEvent[]): void => {
    for (const event of found) {
      events.emit({ kind: 'sale', event })
      // The journal lets it happen once, whichever process tells of the payment first.
      if (event.type === 'settled') metrics.settled(event.sale.service, event.sale.amountMsat ?? 0n)
      if (event.type === 'refunded') recorder.revived()
    }
    if (found.some(({ type }) => type !== 'revoked')) deliveries.wake()
  }
  const recorder = createRecorder({
    ...{ journal, subscribers, onEvents, log },
    keepOpenMost: () => config.journal.openInvoices,
    details: detailsOf(lightning),
    onOpen: ({ paymentHash, payableUntil }) => open.add(paymentHash, payableUntil * 1000),
    onSold: (paymentHash) => open.drop(paymentHash),
  })
  const onSettled = recorder.settled
  const open = watchOpenInvoices({ backend: lightning, journal, most: WATCHED_MAX, onSettled, log })
  const refunds = createRefunds({ journal, ledger, subscribers, onEvents })
  const following =
    lightning.settlements === undefined
      ? undefined
      : followSettlements({
          ...{ source: lightning, node: nodeName(config.lightning), journal, onSettled, log },
          onStartingAnew: open.lookAtAll,
        })
  let chores: Promise<void> | undefined
  const doChores = (): void => {
    chores ??= (async () => {
      try {
        await refunds.finish()
        await journal.prune(Date.now() - config.journal.keepSeconds * 1000)
      } catch (error) {
        log.warn({ fault: describeError(error) }, 'the journal cannot be looked after right now')
      }
    })().finally(() => {
      chores = undefined
    })
  }
  const timer = setInterval(doChores, CHORES_MS).unref()
  doChores()
  return {
    watcher: recorder,
    journal,
    refunds,
    events,
    subscribers,
    receivers: deliveries.receivers,
    onEvents,
    wakeDeliveries: deliveries.wake,
    prepare(next) {
      const receive = deliveries.prepare(next.webhooks)
      return () => {
        receive()
        config = next
      }
    },
    async close() {
      clearInterval(timer)
      // What is on its way is still written down.
      const followed = following?.close()
      await open.close()
      await recorder.flush(FLUSH_MS)
      recorder.close()
      await followed
      await deliveries.close()
      await chores
      await journal.close()
    },
  }
}

/** What the node says of an invoice, where it can say anything of what came in. */
function detailsOf(lightning: InvoiceBackend): (paymentHash: string) => Promise<InvoiceDetails> {
  return async (paymentHash) => {
    const bytes = decodeHex(paymentHash)
    return (bytes && (await lightning.invoiceDetails?.(bytes))) ?? { state: 'unknown' }
  }
}
