/** What the data plane tells of a request that is traced; the traces themselves are made elsewhere. */

import type { ClientRequest } from './client-side.ts'
import type { RequestRecord } from './visit.ts'

/** Begins the traces of requests. */
export interface RequestTracer {
  begin(req: ClientRequest): RequestTrace
}

/** The trace of one request. */
export interface RequestTrace {
  /** Lower-case hex of 16 bytes. */
  readonly traceId: string
  /** Runs the gate's decision as a step of its own. What it throws goes on. */
  decide<T extends object>(run: () => T | Promise<T>): T | Promise<T>
  /** The request goes to the upstream: answers its lines with our own `traceparent` in place of the client's. */
  forward(lines: string[]): string[]
  /** The upstream's answer begins, or will not come. */
  answered(): void
  /** It is over. */
  end(record: RequestRecord): void
}
