/** What the data plane tells, as metrics and log lines. */

import type { Logger } from 'pino'
import type { RequestLogging } from './config/config.ts'
import { describeError, logRequest, type RequestOutcome } from './log.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { DataPlaneHooks, RequestRecord } from './proxy/index.ts'

/** Hooks that count and log. */
export function requestHooks({
  log,
  metrics,
  logging,
}: {
  readonly log: Logger
  readonly metrics: Metrics
  /** Asked each time, since a reload may change it. */
  readonly logging: () => RequestLogging
}): DataPlaneHooks {
  return {
    finished(record) {
      const { route, status, durationMs } = record
      const outcome = outcomeOf(record)
      metrics.request(route, outcome, status)
      if (route !== undefined && record.outcome === 'proxied') metrics.proxied(route, durationMs / 1000)
      logRequest(log, logging(), {
        method: record.method,
        path: record.path,
        service: route?.service,
        route: route?.name,
        outcome,
        reason: record.code,
        ...(record.shadow === undefined ? {} : { shadow: record.shadow }),
        status,
        durationMs,
        clientAddress: record.clientAddress,
      })
    },
    upstreamState({ service, upstream, healthy, ejected }) {
      const level = healthy && !ejected ? 'info' : 'warn'
      log[level]({ service, upstream, healthy, ejected }, 'upstream')
    },
    fault(code, error, route) {
      log.error({ code, service: route.service, route: route.name, fault: describeError(error) }, 'fault')
    },
  }
}

function outcomeOf({ outcome, paid, complete, code }: RequestRecord): RequestOutcome {
  if (!complete) return 'aborted'
  if (outcome !== 'proxied' && outcome !== 'admitted') return outcome
  if (code !== undefined) return 'failed'
  return paid ? 'paid' : 'free'
}
