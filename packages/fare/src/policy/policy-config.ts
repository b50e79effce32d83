import { isL402Error } from '@turnpike/l402'
import { parseTimeout } from '../timeout.ts'

/** Who approves a purchase: the table `approval` of `config.yaml`. */
export interface ApprovalConfig {
  readonly by: 'terminal' | 'page' | 'webhook' | 'nobody'
  readonly timeoutMs?: number
  /** The webhook. */
  readonly url?: string
  readonly tokenFile?: string
  readonly secretFile?: string
  /** Program that opens the page; default the desktop's own. */
  readonly open?: string
}

/** What sees every purchase first: the table `hook` of `config.yaml`. */
export interface HookConfig {
  /** Absolute path of a program. */
  readonly exec?: string
  readonly url?: string
  readonly tokenFile?: string
  readonly secretFile?: string
  readonly timeoutMs?: number
}

/** Says what is wrong, as `approval.by: expected …`. */
type Fail = (what: string) => never

const APPROVERS = ['terminal', 'page', 'webhook', 'nobody'] as const

/** Reads the table `approval`; without one the person at the terminal is asked. */
export function readApproval(value: unknown, fail: Fail): ApprovalConfig {
  if (value === undefined) return { by: 'terminal' }
  const { by, ...rest } = tableOf('approval', value, fail)
  const known = APPROVERS.find((one) => one === by)
  if (known === undefined) return fail(`approval.by: expected one of ${APPROVERS.join(', ')}`)
  const keys = { webhook: ['url', 'tokenFile', 'secretFile'], page: ['open'], terminal: [], nobody: [] }[
    known
  ]
  const texts = textsOf('approval', { rest, keys, fail })
  if (known === 'webhook' && texts['url'] === undefined) fail('approval.url: expected the URL of the webhook')
  return { by: known, ...texts, ...timeoutOf('approval', rest, fail) }
}

/** Reads the table `hook`; `undefined` without one. */
export function readHook(value: unknown, fail: Fail): HookConfig | undefined {
  if (value === undefined) return undefined
  const rest = tableOf('hook', value, fail)
  const texts = textsOf('hook', { rest, keys: ['exec', 'url', 'tokenFile', 'secretFile'], fail })
  if ((texts['exec'] === undefined) === (texts['url'] === undefined))
    fail('hook: expected one of "exec" (the absolute path of a program) and "url"')
  return { ...texts, ...timeoutOf('hook', rest, fail) }
}

type Table = Readonly<Record<string, unknown>>

function tableOf(name: string, value: unknown, fail: Fail): Table {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail(`${name}: expected a table`)
  return value as Table
}

function textsOf(
  name: string,
  { rest, keys, fail }: { readonly rest: Table; readonly keys: readonly string[]; readonly fail: Fail },
): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {}
  for (const [key, value] of Object.entries(rest)) {
    if (key === 'timeout') continue
    if (!keys.includes(key))
      fail(`${name}: unknown key "${key}", expected ${[...keys, 'timeout'].join(', ')}`)
    if (typeof value !== 'string' || value === '') fail(`${name}.${key}: expected a text`)
    texts[key] = String(value)
  }
  return texts
}

function timeoutOf(name: string, { timeout }: Table, fail: Fail): { readonly timeoutMs?: number } {
  if (timeout === undefined) return {}
  try {
    return { timeoutMs: parseTimeout(String(timeout)) }
  } catch (error) {
    if (!isL402Error(error)) throw error
  }
  return fail(`${name}.timeout: expected a duration of at most 24d, e.g. 2m`)
}
