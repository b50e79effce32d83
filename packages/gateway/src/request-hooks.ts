/** What the data plane tells, as metrics, log lines and lines of the access log. */

import type { Logger } from 'pino'
import type { AccessLog } from './access/access-log.ts'
import { bodyBytesOf } from './access/body-bytes.ts'
import type { RequestLogging } from './config/config.ts'
import { describeError, logRequest, type RequestOutcome, type RequestSummary } from './log.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { DataPlaneHooks, RequestRecord } from './proxy/index.ts'

/** Hooks that count and log. */
export function requestHooks({
  log,
  metrics,
  logging,
  accessLog,
}: {
  readonly log: Logger
  readonly metrics: Metrics
  /** Asked each time, since a reload may change it. */
  readonly logging: () => RequestLogging
  readonly accessLog?: AccessLog | undefined
}): DataPlaneHooks {
  return {
    finished(record, { req, res, trace }) {
      const { route, status, durationMs, upstreamMs } = record
      const outcome = outcomeOf(record)
      metrics.request(route, outcome, status)
      if (route !== undefined && record.outcome === 'proxied') {
        metrics.proxied(route, durationMs / 1000)
        if (upstreamMs !== undefined) metrics.upstream(route, upstreamMs / 1000)
      }
      const which = logging()
      if (which === 'none' && accessLog === undefined) return
      const summary: RequestSummary = {
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
      }
      logRequest(log, which, summary)
      accessLog?.write({
        ...summary,
        tokenId: record.tokenId,
        atMs: Date.now(),
        httpVersion: req.httpVersion,
        bodyBytes: bodyBytesOf(res, req.socket),
        referer: req.headers.referer,
        userAgent: req.headers['user-agent'],
        traceId: trace?.traceId,
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
