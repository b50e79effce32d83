/** A gateway of several processes: what must be one is here, what serves is in the workers. */

import { L402Error } from '@turnpike/l402'
import { localLimits } from '@turnpike/l402/server'
import { openLedger, openLightning } from '../assemble.ts'
import type { Config } from '../config/config.ts'
import { sellsOnDelivery } from '../config/hold.ts'
import { startControl } from '../control.ts'
import { Closers, type Gateway, type GatewayParts, ownSample, unavailable } from '../gateway.ts'
import { holdJournalOf, openHoldDesk } from '../holds/open.ts'
import { type SharedHolds, shareHolds } from '../holds/shared-holds.ts'
import { exposeTogether, lastingValues } from '../metrics/aggregate.ts'
import { createMetrics, type Exposition, type MetricValues } from '../metrics/metrics.ts'
import { watchReceivable } from '../metrics/receivable.ts'
import { watchLedger } from '../metrics/watched.ts'
import { watchLightning } from '../metrics/watched-lightning.ts'
import { openSalesDesk } from '../sales/sales-desk.ts'
import { Crew } from './crew.ts'

/** How much longer than `drainTimeout` workers may take to end. */
const ENDING_MS = 10_000

/**
 * Starts the Lightning backend, the limits, the admin listener and `first.workers` workers; resolves when all of them serve.
 * Throws `CommandError` with the exit code of what could not be started.
 */
export async function startCluster(first: Config, parts: GatewayParts): Promise<Gateway> {
  const { keys, env, log, control } = parts
  const closers = new Closers(log)
  const warn = (message: string): void => log.warn(message)
  let config = first
  let draining = false
  let keysInForce = keys
  try {
    const limits = localLimits()

    // Counts of workers that have ended, so that no total ever falls.
    let ended: readonly MetricValues[] = []
    let deaths = 0
    const crew = new Crew({
      size: config.workers,
      handlers: {
        createInvoice: (request) => invoices.createInvoice(request),
        lookupInvoice: (paymentHash) => invoices.lookupInvoice(paymentHash),
        invoiceDetails: async (paymentHash) =>
          (await invoices.invoiceDetails?.(paymentHash)) ?? {
            state: await invoices.lookupInvoice(paymentHash),
          },
        createHoldInvoice: (request) => invoices.createHoldInvoice?.(request) ?? cannotHold(),
        settleHoldInvoice: (preimage) => invoices.settleHoldInvoice?.(preimage) ?? cannotHold(),
        cancelInvoice: (paymentHash) => invoices.cancelInvoice?.(paymentHash) ?? cannotHold(),
        addHold: ({ worker, hold }) => holds?.add(worker, hold) ?? cannotHold(),
        endHold: (paymentHash) => holds?.done(paymentHash) ?? cannotHold(),
        pingLightning: () => invoices.ping(),
        takeLimits: (asks) => limits.take(asks),
        giveBackLimits: (asks) => limits.giveBack(asks),
        saleChallenged: (sale) => desk.watcher.challenged(sale),
        saleRedeemed: (sale) => desk.watcher.redeemed(sale),
        saleExhausted: (sale) => desk.watcher.exhausted(sale),
      },
      log,
      onEnded(counted, worker) {
        deaths++
        if (counted !== undefined) ended = [...ended, counted]
        holds?.ended(worker)
      },
    })
    closers.add(() => crew.stop(0))
    const metrics = createMetrics(undefined)
    const onBatch = ({ operations, durationMs }: { operations: number; durationMs: number }): void =>
      metrics.ledgerBatch(operations, durationMs / 1000)
    const opened = await openLedger(config, { warn, onBatch }).catch(unavailable)
    closers.add(() => opened.close())
    const ledger = watchLedger(opened, metrics)
    const lightning = await openLightning(config, { env, warn }).catch(unavailable)
    closers.add(() => lightning.invoices.close())
    const invoices = watchLightning(lightning.invoices, metrics)
    const selling = { ledger, lightning: lightning.invoices, metrics, config, log }
    const desk = await openSalesDesk(selling).catch(unavailable)
    closers.add(() => desk.close())
    let holds: SharedHolds | undefined
    await openHolds(config)
    const sample = ownSample()
    closers.add(() => sample.close())
    const listen = await crew.start({
      ...{ config, keys, sampleUrl: await sample.urlFor(config) },
      ...{ network: invoices.network, capabilities: invoices.invoiceCapabilities },
    })
    const expose = async (): Promise<Exposition> => {
      // Who ends from here on is among the living still.
      const before = ended
      const lasting = await lastingValues(before)
      if (ended === before) ended = [lasting]
      return exposeTogether([...(await crew.metrics()), lasting, await metrics.values()])
    }
    metrics.add(
      'gauge',
      { name: 'turnpike_workers_serving', help: 'Workers that serve.' },
      () => crew.serving,
    )
    metrics.add(
      'counter',
      { name: 'turnpike_worker_deaths_total', help: 'Workers that ended by themselves.' },
      () => deaths,
    )
    const backend = lightning.invoices
    const receivable = watchReceivable({ backend, config: () => config, metrics, log })
    closers.add(async () => receivable.close())
    const admin = await startControl({
      ...{ config, ledger, invoices, wallet: lightning.wallet, desk, control, log },
      metrics: { expose },
      isDraining: () => draining,
      lightningWarning: () => receivable.warning(),
      checks: { workers: () => crew.checkAllServe() },
    })
    closers.add(() => admin.close())

    /**
     * Before any worker sells on delivery, at start or by a reload: what an earlier run has left open, and later what a worker
     * leaves that dies.
     */
    async function openHolds(wanted: Config): Promise<void> {
      if (holds !== undefined || !sellsOnDelivery(wanted)) return
      const journal = await holdJournalOf(wanted).catch(unavailable)
      const left = openHoldDesk(journal, {
        ...{ lightning: invoices, keys: () => keysInForce, warn },
        plane: () => ({ listener: () => {} }),
      })
      closers.add(() => left.stop())
      holds = shareHolds(journal, left)
    }

    const reload: Gateway['reload'] = async (next, nextKeys) => {
      const commitDesk = desk.prepare(next)
      await openHolds(next)
      const commit = await crew.prepare({
        config: next,
        keys: nextKeys,
        sampleUrl: await sample.urlFor(next),
      })
      commitDesk()
      config = next
      keysInForce = nextKeys
      log.level = next.log.level
      await commit()
    }
    return {
      listen,
      admin: admin.url,
      // In one process only (config/processes.ts).
      forwardAuth: undefined,
      reload,
      reopenLogs: () => crew.reopenLogs(),
      async stop() {
        draining = true
        const finished = await crew.stop(config.drainTimeoutMs + ENDING_MS)
        await closers.closeAll()
        return finished
      },
    }
  } catch (error) {
    await closers.closeAll()
    throw error
  }
}

function cannotHold(): never {
  throw new L402Error('lightning_unavailable', 'the Lightning backend holds no payments')
}
