/** What an operation of the admin API is; the router and the OpenAPI document are made of these. */

import type { z } from 'zod'
import type { AdminIdentity, AdminScope } from '../admin-token.ts'
import type { AdminTarget } from '../target.ts'

/** A problem (RFC 9457). */
export interface ApiProblem {
  readonly status: number
  readonly code: string
  readonly detail: string
  /** One sentence for each fault of what was sent. */
  readonly errors?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}

/** An answer. */
export type ApiAnswer =
  | { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
  | ApiProblem
  /** Lines until the function that `open` answers is called. `send` answers whether more may be sent. */
  | { readonly status: 200; readonly stream: (send: (chunk: string) => boolean) => (() => void) | undefined }

/** A call whose parts have been read. */
export interface ApiCall<Q = unknown, B = unknown> {
  /** Parts of the path by their names. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Q
  readonly body: B
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
  readonly idempotencyKey: string | undefined
  readonly who: AdminIdentity
  readonly target: AdminTarget
}

/** One operation. */
export interface Operation {
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below `/api/v1`, e.g. `/tokens/{tokenId}`. */
  readonly path: string
  readonly scope: AdminScope
  readonly summary: string
  /** Pattern and meaning of the parts of the path. */
  readonly params?: Readonly<Record<string, { readonly pattern: RegExp; readonly expected: string }>>
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  /** What the body is to hold, where the configuration's own checks say what is wrong with it. */
  readonly described?: z.ZodType
  /** Request headers that it heeds. */
  readonly headers?: readonly ('If-Match' | 'If-None-Match' | 'Idempotency-Key')[]
  /** The statuses of success, and what they hold; `null`: nothing, `'stream'`: server-sent events. */
  readonly answers: Readonly<Record<number, z.ZodType | null | 'stream'>>
  /** What it was done to, for the audit log; never a secret. */
  readonly subject?: (call: ApiCall) => string
  readonly handle: (call: ApiCall) => Promise<ApiAnswer> | ApiAnswer
}

/** Gives the parts of an operation the types that its schemas say. */
export function operation<Q extends z.ZodType = z.ZodUndefined, B extends z.ZodType = z.ZodUndefined>(
  spec: Omit<Operation, 'query' | 'body' | 'handle' | 'subject'> & {
    readonly query?: Q
    readonly body?: B
    readonly subject?: (call: ApiCall<z.infer<Q>, z.infer<B>>) => string
    readonly handle: (call: ApiCall<z.infer<Q>, z.infer<B>>) => Promise<ApiAnswer> | ApiAnswer
  },
): Operation {
  return spec as Operation
}

/** A problem as an answer. */
export function problem(
  status: number,
  code: string,
  detail: string,
  more: Pick<ApiProblem, 'errors' | 'headers'> = {},
): ApiProblem {
  return { status, code, detail, ...more }
}
