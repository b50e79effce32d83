/** `-C -`: the request for the rest of a file, and what becomes of it where there is no such rest. */

import type { FetchOutcome, PreparedRequest, Purchase } from '@turnpike/l402/client'
import { forgetPart, type Part, readPart, restOf } from '../cli/part.ts'
import { UsageError } from '../cli/usage-error.ts'
import { HeaderList } from '../net/header-list.ts'

/** What was typed that matters here. */
interface TypedGoOn {
  readonly 'continue-at'?: string | undefined
  readonly continue?: boolean | undefined
  readonly compressed?: boolean | undefined
}

/** The request to send, and what of the file it goes on with. */
export interface GoOn {
  readonly request: PreparedRequest
  readonly part: Part | undefined
  readonly file: string | undefined
}

/**
 * The request for what is missing in the file; the request as it is where nothing is there, or nobody knows of what.
 *
 * @throws UsageError where there is nothing to go on with.
 */
export function goingOn(
  request: PreparedRequest,
  { values, file }: { readonly values: TypedGoOn; readonly file: string | undefined },
): GoOn {
  const at = values['continue-at']
  if (at !== undefined && at !== '-')
    throw new UsageError(`-C: expected "-", which goes on where the file ends, got "${at}"`)
  if (at === undefined && !values.continue) return { request, part: undefined, file }
  if (file === undefined) throw new UsageError('-C - needs the file that it goes on with: -o FILE or -O')
  if (request.method !== 'GET') throw new UsageError(`-C - goes with GET alone, not with ${request.method}`)
  if (values.compressed)
    throw new UsageError('-C - and --compressed do not go together: the file has what is unpacked')
  if (request.headers.has('range') || request.headers.has('if-range'))
    throw new UsageError('-C - sets Range and If-Range itself')
  const part = readPart(file, request.url)
  if (part === undefined) return { request, part, file }
  const headers = new HeaderList(request.headers)
  headers.set('range', `bytes=${part.offset}-`)
  headers.set('if-range', part.validator)
  return { request: { ...request, headers }, part, file }
}

/** What is handed on, and what of the file it goes on with. */
interface GoneOn {
  /** The very outcome of the buyer: its books know it by no copy. */
  readonly outcome: FetchOutcome
  readonly part: Part | undefined
  /** What was bought for a request before it. */
  readonly before: readonly Purchase[]
}

/** Asks for all of it where the file is longer than what the server has by now; `again` is that request. */
export async function anewIfOutgrown(
  first: FetchOutcome,
  { part, file }: GoOn,
  again: () => Promise<FetchOutcome>,
): Promise<GoneOn> {
  const asFirst = { outcome: first, part, before: [] }
  if (part === undefined || file === undefined || first.kind !== 'served') return asFirst
  if (restOf(first.response, part).kind !== 'outgrown') return asFirst
  await first.response.body?.cancel().catch(() => {})
  forgetPart(file)
  return { outcome: await again(), part: undefined, before: first.purchases }
}
