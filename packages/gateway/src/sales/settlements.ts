/** Listens to the node for what has been paid, where the backend can tell. */

import { encodeHex } from '@turnpike/l402'
import type { InvoiceBackend } from '@turnpike/l402/lightning'
import type { Logger } from 'pino'
import { describeError } from '../log.ts'

const RETRY_MS = [500, 2_000, 10_000, 30_000]

/** Calls back for each settlement until the answered function is called. */
export function watchSettlements(
  source: InvoiceBackend,
  onSettled: (paymentHash: string, amountMsat: bigint) => void,
  log: Pick<Logger, 'warn'>,
): () => void {
  const controller = new AbortController()
  const { signal } = controller
  let after: string | undefined
  async function listen(): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        for await (const settlement of source.settlements?.({
          ...(after === undefined ? {} : { after }),
          signal,
        }) ?? []) {
          failures = 0
          after = settlement.cursor
          onSettled(encodeHex(settlement.paymentHash), settlement.amountMsat)
        }
      } catch (error) {
        if (!signal.aborted && failures === 0)
          log.warn({ fault: describeError(error) }, 'the node does not tell of settlements right now')
      }
      if (!signal.aborted) await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0, signal)
    }
  }
  if (source.settlements !== undefined) void listen()
  return () => controller.abort()
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms).unref()
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
