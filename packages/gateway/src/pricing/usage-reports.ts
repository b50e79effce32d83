import type { Usage } from '@turnpike/l402/server'
import type { PricesClient } from './prices-client.ts'

/** Reports to metered price servers, delivered in the background. */
export interface UsageReports {
  /** Never throws. Tried again while the price server is out of reach; then lost, and counted. */
  send(client: PricesClient, usage: Usage): void
  /** Reports that are not delivered yet. */
  readonly pending: number
  /** Gives those that are left one more try each, within `withinMs`. */
  drain(withinMs: number): Promise<void>
}

/** What {@link usageReports} takes. */
export interface UsageReportsOptions {
  /** Milliseconds before each further try; some two minutes in all if left out. */
  readonly retryMs?: readonly number[]
  /** Milliseconds that one try may take. */
  readonly timeoutMs?: number
  /** Most reports that wait, some 16 KiB each; the newest are lost beyond it. 2,000 if left out. */
  readonly mostPending?: number
  /** A report is lost. `total` counts them. */
  readonly onLost: (total: number) => void
}

const RETRY_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000]

/** See {@link UsageReports}. */
export function usageReports(options: UsageReportsOptions): UsageReports {
  const { retryMs = RETRY_MS, timeoutMs = 5_000, mostPending = 2_000, onLost } = options
  const running = new Set<Promise<void>>()
  const wakers = new Set<() => void>()
  let draining = false
  let lost = 0

  function lose(): void {
    lost++
    onLost(lost)
  }

  async function deliver(client: PricesClient, usage: Usage): Promise<void> {
    const { tokenId, path, service, status, contentType, contentEncoding, complete, tail, reserved } = usage
    const message = {
      tokenId,
      path,
      serviceName: service,
      httpStatus: status,
      contentType,
      complete,
      responseTail: tail,
      contentEncoding,
      reservedEstimate: String(reserved),
    }
    for (let attempt = 0; ; attempt++) {
      const last = draining
      try {
        await client.call('ReportUsage', message, { timeoutMs })
        return
      } catch {
        const delayMs = retryMs[attempt]
        if (last || delayMs === undefined) return lose()
        if (!draining) await pause(delayMs)
      }
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        wakers.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      wakers.add(wake)
    })
  }

  return {
    send(client, usage) {
      if (running.size >= mostPending) return lose()
      const done = deliver(client, usage).finally(() => running.delete(done))
      running.add(done)
    },
    get pending() {
      return running.size
    },
    async drain(withinMs) {
      draining = true
      for (const wake of wakers) wake()
      let timer: NodeJS.Timeout | undefined
      const enough = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, withinMs)
      })
      await Promise.race([Promise.all(running), enough])
      clearTimeout(timer)
      for (let left = running.size; left > 0; left--) lose()
    },
  }
}
