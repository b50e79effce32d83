/** `log` and `tracing`: what is written down about requests. */

import { resolve } from 'node:path'
import { z } from 'zod'
import type { ConfigIssue } from './issue.ts'
import { oneOf, text } from './values.ts'
import type { YamlSource } from './yaml-source.ts'

/** The form of the access log. */
export type AccessForm = 'json' | 'combined' | 'off'

/** The access log. */
export interface AccessConfig {
  readonly form: AccessForm
  /** Absolute; `undefined`: standard output. */
  readonly file: string | undefined
}

/** Where traces go. */
export interface TracingConfig {
  /** An OTLP/HTTP collector's address for traces, e.g. `http://127.0.0.1:4318/v1/traces`. */
  readonly endpoint: string
  /** Share of the requests without a decision of the caller that are traced, 0 to 1. */
  readonly sample: number
  readonly serviceName: string
  /** Absolute name of a file with `Name: value` lines for the collector. */
  readonly headersFile: string | undefined
}

/** Keys of `log` about the access log. */
export const accessShape = {
  access: oneOf(['json', 'combined', 'off'])
    .optional()
    .describe(
      'The access log: a line for each request, as JSON or in the combined form of nginx and Apache. Default off.',
    ),
  accessFile: text('a file name')
    .optional()
    .describe('The file of the access log, opened anew on HUP and USR1. Default: standard output.'),
} as const

const sample = z.number({ error: () => 'a share from 0 to 1' })
const collector = text('an address such as http://127.0.0.1:4318').refine(isCollector, {
  error: () => 'not a collector, expected an address such as http://127.0.0.1:4318',
})

/** `tracing`. */
export const tracingSchema = z.strictObject(
  {
    endpoint: collector.describe(
      'The OpenTelemetry collector (OTLP over HTTP, JSON). Without a path, /v1/traces is meant.',
    ),
    sample: sample
      .min(0, { error: () => 'a share from 0 to 1' })
      .max(1, { error: () => 'a share from 0 to 1' })
      .optional()
      .describe('Share of the requests that are traced where the caller has not decided, 0 to 1. Default 1.'),
    serviceName: text('a name').optional().describe('The service name in the traces. Default turnpike.'),
    headersFile: text('a file name')
      .optional()
      .describe('A file with "Name: value" lines that the collector is sent, such as its access token.'),
  },
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? 'endpoint sample serviceName headersFile'
        : 'a collector, e.g. { endpoint: http://127.0.0.1:4318 }',
  },
)

/** The access log of a file. */
export function readAccess(
  log: { readonly access?: AccessForm | undefined; readonly accessFile?: string | undefined } | undefined,
  { source, folder, issues }: { source: YamlSource; folder: string; issues: ConfigIssue[] },
): AccessConfig {
  const form = log?.access ?? 'off'
  if (log?.accessFile === undefined) return { form, file: undefined }
  if (log.access === undefined) {
    const message =
      'log.accessFile: nothing is written to it, expected "log.access: json" or "combined" beside it'
    issues.push({ position: source.locate(['log', 'accessFile']), message })
  }
  return { form, file: resolve(folder, log.accessFile) }
}

/** The tracing of a file. */
export function readTracing(
  tracing: z.infer<typeof tracingSchema> | undefined,
  folder: string,
): TracingConfig | undefined {
  if (tracing === undefined) return undefined
  const url = new URL(tracing.endpoint)
  if (url.pathname === '/') url.pathname = '/v1/traces'
  return {
    endpoint: url.href,
    sample: tracing.sample ?? 1,
    serviceName: tracing.serviceName ?? 'turnpike',
    headersFile: tracing.headersFile === undefined ? undefined : resolve(folder, tracing.headersFile),
  }
}

/** An address without a password in it: it may stand in messages. */
function isCollector(value: string): boolean {
  const url = /^https?:\/\/[^\s\\]+$/i.test(value) ? URL.parse(value) : null
  return url !== null && url.username === '' && url.password === '' && url.hash === ''
}
