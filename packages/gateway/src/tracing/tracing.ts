/**
 * OpenTelemetry traces of requests: W3C context in and out, spans to an OTLP collector. Loaded only where `tracing` is
 * configured. Nothing global is registered. Spans hold names from the configuration, the path without its query, status
 * and outcome; never a header value or a secret.
 */

import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import { programVersion } from '../cli/version.ts'
import type { TracingConfig } from '../config/observing.ts'
import type { ClientRequest } from '../proxy/client-side.ts'
import type { RequestTrace, RequestTracer } from '../proxy/index.ts'
import type { RequestRecord } from '../proxy/visit.ts'
import { readCollectorHeaders } from './collector-headers.ts'
import { tellingExporter } from './telling-exporter.ts'

/** Steps within a request. */
export interface Tracing extends RequestTracer {
  /** Runs `work` as a step of the request under way; outside of one it just runs. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>
  /** Sends what is left. Never throws. */
  close(): Promise<void>
}

const CLOSE_MS = 5_000
const propagator = new W3CTraceContextPropagator()

/** Starts tracing; `warn` is told when the collector does not take spans. Throws `CommandError` for a bad headers file. */
export function startTracing(config: TracingConfig, warn: (message: string) => void): Tracing {
  const exporter = new OTLPTraceExporter({
    url: config.endpoint,
    headers: readCollectorHeaders(config.headersFile),
    timeoutMillis: 5_000,
  })
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': config.serviceName,
      'service.version': programVersion(),
      'process.pid': process.pid,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(config.sample) }),
    spanProcessors: [
      new BatchSpanProcessor(tellingExporter(exporter, warn), { scheduledDelayMillis: 1_000 }),
    ],
  })
  const tracer = provider.getTracer('turnpike')
  const contexts = new AsyncLocalStorageContextManager().enable()
  return {
    begin: (req) => new OpenTrace(req, tracer, contexts),
    async step(name, work) {
      const active = contexts.active()
      if (trace.getSpan(active) === undefined) return work()
      const span = tracer.startSpan(name, { kind: SpanKind.INTERNAL }, active)
      try {
        return await work()
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR })
        throw error
      } finally {
        span.end()
      }
    },
    async close() {
      contexts.disable()
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_MS)
      })
      await Promise.race([provider.shutdown().catch(() => {}), late])
      clearTimeout(timer)
    },
  }
}

class OpenTrace implements RequestTrace {
  readonly traceId: string
  readonly #tracer: Tracer
  readonly #contexts: AsyncLocalStorageContextManager
  readonly #span: Span
  readonly #context: Context
  #upstream: Span | undefined

  constructor(req: ClientRequest, tracer: Tracer, contexts: AsyncLocalStorageContextManager) {
    this.#tracer = tracer
    this.#contexts = contexts
    const caller = propagator.extract(ROOT_CONTEXT, req.headers, {
      get: (headers, name) => headers[name],
      keys: (headers) => Object.keys(headers),
    })
    const method = req.method ?? ''
    this.#span = tracer.startSpan(
      method,
      { kind: SpanKind.SERVER, attributes: { 'http.request.method': method } },
      caller,
    )
    this.#context = trace.setSpan(caller, this.#span)
    this.traceId = this.#span.spanContext().traceId
  }

  decide<T extends object>(run: () => T | Promise<T>): T | Promise<T> {
    const span = this.#tracer.startSpan('gate.decide', { kind: SpanKind.INTERNAL }, this.#context)
    const failed = (error: unknown): never => {
      span.setStatus({ code: SpanStatusCode.ERROR }).end()
      throw error
    }
    try {
      const decided = this.#contexts.with(trace.setSpan(this.#context, span), run)
      if (!(decided instanceof Promise)) {
        span.end()
        return decided
      }
      return decided.then((value) => {
        span.end()
        return value
      }, failed)
    } catch (error) {
      return failed(error)
    }
  }

  forward(lines: string[]): string[] {
    this.#upstream = this.#tracer.startSpan('upstream', { kind: SpanKind.CLIENT }, this.#context)
    const out: string[] = []
    for (let i = 0; i < lines.length; i += 2) {
      const name = lines[i] ?? ''
      if (!/^trace(?:parent|state)$/i.test(name)) out.push(name, lines[i + 1] ?? '')
    }
    propagator.inject(trace.setSpan(this.#context, this.#upstream), out, {
      set: (carrier, name, value) => void carrier.push(name, value),
    })
    return out
  }

  answered(): void {
    this.#upstream?.addEvent('first byte')
  }

  end(record: RequestRecord): void {
    const { method, path, route, status, outcome, code, paid, complete } = record
    const failed = status >= 500 || !complete
    this.#upstream?.setAttribute('http.response.status_code', status)
    if (failed) this.#upstream?.setStatus({ code: SpanStatusCode.ERROR })
    this.#upstream?.end()
    if (route !== undefined) {
      this.#span.updateName(`${method} ${route.service}`)
      this.#span.setAttribute('turnpike.service', route.service).setAttribute('http.route', route.name)
    }
    this.#span
      .setAttribute('url.path', path)
      .setAttribute('http.response.status_code', status)
      .setAttribute('turnpike.outcome', outcome)
      .setAttribute('turnpike.paid', paid)
    if (code !== undefined) this.#span.setAttribute('turnpike.reason', code)
    if (failed) this.#span.setStatus({ code: SpanStatusCode.ERROR })
    this.#span.end()
  }
}
