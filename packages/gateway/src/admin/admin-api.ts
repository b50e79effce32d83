/** `/api/v1` of the admin listener: what an operator sees of a running gateway, and does to it. */

import type { IncomingMessage } from 'node:http'
import { isL402Error } from '@turnpike/l402'
import type { Logger } from 'pino'
import { CommandError } from '../cli/exit.ts'
import { ConfigError } from '../config/issue.ts'
import { describeError } from '../log.ts'
import { type AdminIdentity, type AdminToken, identify } from './admin-token.ts'
import { explainFaults } from './api/faults.ts'
import { openApi } from './api/openapi.ts'
import { type ApiAnswer, type ApiCall, type ApiProblem, type Operation, problem } from './api/operation.ts'
import { salesOperations } from './api/sales.ts'
import { serviceOperations } from './api/services.ts'
import { systemOperations } from './api/system.ts'
import type { AdminTarget } from './target.ts'

/** All operations, in the order of the document. */
export const operations: readonly Operation[] = [
  ...salesOperations,
  ...serviceOperations,
  ...systemOperations,
]

/** What the API works on. */
export interface AdminApiOptions {
  readonly target: AdminTarget
  /** The bearer tokens; `undefined`: none is configured, and nothing is allowed. */
  readonly tokens: readonly AdminToken[] | undefined
  readonly log: Pick<Logger, 'info' | 'error'>
}

/** Answers requests under `/api/`. */
export interface AdminApi {
  /** Before the body is read: who asks, or why the request is refused. */
  admit(request: IncomingMessage): AdminIdentity | ApiProblem
  answer(request: IncomingMessage, who: AdminIdentity, body: string): Promise<ApiAnswer>
}

const ROOT = '/api/v1'
const DOCUMENT = '/openapi.json'

/** See {@link AdminApi}. */
export function adminApi({ target, tokens, log }: AdminApiOptions): AdminApi {
  const table = operations.map((operation) => ({ operation, parts: operation.path.slice(1).split('/') }))

  /** Everything that was written, and by whom; the log has it though the store may not take it. */
  async function audit(call: ApiCall, operation: Operation, status: number): Promise<void> {
    const subject = operation.subject?.(call) ?? ''
    const entry = { atMs: Date.now(), who: call.who.name, what: operation.id, subject, status }
    log.info({ audit: entry }, 'admin')
    try {
      await target.journal.audit(entry)
    } catch (error) {
      log.error({ fault: describeError(error) }, 'the audit log cannot be written')
    }
  }

  return {
    admit(request) {
      if (tokens === undefined)
        return problem(
          403,
          'no_token_configured',
          'no token is configured: set admin.tokenFile, and send its token as a bearer token',
        )
      // A page that a browser on this machine shows cannot know the token, and must not try.
      if (request.headersDistinct['origin'] !== undefined)
        return problem(403, 'refused', 'the admin API is not for web pages')
      const who = identify(tokens, request.headersDistinct['authorization'] ?? [])
      return (
        who ??
        problem(401, 'unauthorized', 'expected the token of admin.tokenFile as a bearer token', {
          headers: { 'WWW-Authenticate': 'Bearer' },
        })
      )
    },
    async answer(request, who, body) {
      const [path = '', search = ''] = (request.url ?? '').split('?', 2)
      const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '')
      const below = path.slice(ROOT.length)
      if (!path.startsWith(`${ROOT}/`)) return unknownPath()
      if (below === DOCUMENT)
        return method === 'GET' ? { status: 200, body: openApi(operations) } : wrongMethod(['GET'])
      const parts = below.slice(1).split('/')
      const matching = table.filter((each) => matches(each.parts, parts))
      const found = matching.find(({ operation }) => operation.method === method)
      if (found === undefined)
        return matching.length === 0
          ? unknownPath()
          : wrongMethod(matching.map(({ operation }) => operation.method))
      const { operation } = found
      if (operation.scope === 'write' && who.scope !== 'write')
        return problem(403, 'forbidden', 'this token may only look, expected one of scope write')
      const call = readCall(operation, { parts: found.parts, given: parts, search, body })
      if ('status' in call) return call
      const one = (name: string): string | undefined => request.headersDistinct[name]?.join(', ')
      const whole: ApiCall = {
        ...call,
        ifMatch: one('if-match'),
        ifNoneMatch: one('if-none-match'),
        idempotencyKey: one('idempotency-key')?.slice(0, 256),
        who,
        target,
      }
      const answer = await perform(operation, whole)
      if (operation.scope === 'write') await audit(whole, operation, answer.status)
      return answer
    },
  }
}

async function perform(operation: Operation, call: ApiCall): Promise<ApiAnswer> {
  try {
    return await operation.handle(call)
  } catch (error) {
    if (isL402Error(error, 'store_unavailable'))
      return problem(503, 'store_unavailable', 'the books cannot be written right now', {
        headers: { 'Retry-After': '5' },
      })
    if (error instanceof ConfigError)
      return problem(422, 'invalid_configuration', error.message, { errors: error.message.split('\n') })
    if (error instanceof CommandError) return problem(409, 'not_possible', error.message)
    throw error
  }
}

function matches(parts: readonly string[], given: readonly string[]): boolean {
  return (
    parts.length === given.length &&
    parts.every((part, index) => part.startsWith('{') || part === given[index])
  )
}

interface Raw {
  readonly parts: readonly string[]
  readonly given: readonly string[]
  readonly search: string
  readonly body: string
}

function readCall(
  operation: Operation,
  { parts, given, search, body: text }: Raw,
): Pick<ApiCall, 'params' | 'query' | 'body'> | ApiProblem {
  const params: Record<string, string> = {}
  for (const [index, part] of parts.entries()) {
    if (!part.startsWith('{')) continue
    const name = part.slice(1, -1)
    const value = given[index] ?? ''
    const rule = operation.params?.[name]
    if (rule !== undefined && !rule.pattern.test(value))
      return problem(400, 'bad_request', `${name}: not one, expected ${rule.expected}`)
    params[name] = value
  }
  const query: Record<string, string> = {}
  for (const [name, value] of new URLSearchParams(search)) {
    if (Object.hasOwn(query, name))
      return problem(400, 'bad_request', `${name}: stands there twice, expected it once`)
    query[name] = value
  }
  if (operation.query === undefined && Object.keys(query).length > 0)
    return problem(
      400,
      'bad_request',
      `unknown parameter "${Object.keys(query)[0]?.slice(0, 60)}", expected none`,
    )
  const readQuery = operation.query?.safeParse(query)
  if (readQuery?.success === false) return invalid('parameter', readQuery.error, query)
  if (operation.body === undefined) {
    if (text.trim() !== '' && text.trim() !== '{}')
      return problem(400, 'bad_request', 'a body, expected none')
    return { params, query: readQuery?.data, body: undefined }
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return problem(400, 'bad_request', 'not JSON, expected a JSON object')
  }
  const readBody = operation.body.safeParse(value)
  if (!readBody.success) return invalid('key', readBody.error, value)
  return { params, query: readQuery?.data, body: readBody.data }
}

function invalid(
  kind: 'key' | 'parameter',
  error: Parameters<typeof explainFaults>[0],
  value: unknown,
): ApiProblem {
  const errors = explainFaults(error, { value, kind })
  return problem(400, 'bad_request', errors.join('; '), { errors })
}

function unknownPath(): ApiProblem {
  return problem(404, 'not_found', `nothing here, expected one of the paths of ${ROOT}${DOCUMENT}`)
}

function wrongMethod(allowed: readonly string[]): ApiProblem {
  const list = [...new Set(allowed)].join(', ')
  return problem(405, 'method_not_allowed', `expected ${list}`, { headers: { Allow: list } })
}
