import { ExportResultCode } from '@opentelemetry/core'
import type { SpanExporter } from '@opentelemetry/sdk-trace-base'

const QUIET_MS = 60_000

/** An exporter that says, at most once a minute, that spans are lost; never why in the collector's words. */
export function tellingExporter(exporter: SpanExporter, warn: (message: string) => void): SpanExporter {
  let toldAt = Number.NEGATIVE_INFINITY
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.code === ExportResultCode.FAILED && performance.now() - toldAt > QUIET_MS) {
          toldAt = performance.now()
          warn('traces are lost: the collector does not take them')
        }
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}
