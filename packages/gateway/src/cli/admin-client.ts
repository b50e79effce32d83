/** Asks the admin API of the running gateway, for commands. */

import { adminTokens, ownToken } from '../admin/admin-token.ts'
import { addressUrl } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import type { Arguments } from './arguments.ts'
import { CommandError, exitCode } from './exit.ts'
import type { Io } from './io.ts'

const TIMEOUT_MS = 10_000
const DEFAULT_CONFIG = 'turnpike.yaml'

/** One question. */
interface AdminQuestion {
  readonly method?: 'GET' | 'POST'
  /** Below `/api/v1`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** What was to be done, for the message that it was not: `did not revoke it`. */
  readonly failed: string
}

/** Flags that every such command has. */
export const adminFlags = {
  config: { type: 'string', short: 'c' },
  admin: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

/** The same flags, for help texts. */
export const ADMIN_FLAGS_HELP = `      --json          the API's JSON instead of a table
      --admin URL     the admin listener (default: admin.listen of the configuration)
  -c, --config FILE   the configuration (default: turnpike.yaml)
  -h, --help          this text`

/** Asks one question after the other. */
export type AdminClient = (question: AdminQuestion) => Promise<unknown>

/** Finds the listener and the token in the configuration. Throws {@link CommandError}. */
export function adminClient(read: Arguments, io: Io): AdminClient {
  const { admin } = loadConfig(read.values.get('config') ?? DEFAULT_CONFIG, {
    cwd: io.cwd,
    env: io.env,
    sandbox: true,
    serves: false,
  })
  const tokens = adminTokens(admin.tokenFile)
  if (tokens === undefined)
    throw new CommandError(
      exitCode.config,
      'the configuration names no admin.tokenFile, expected one: the admin API answers nobody without it',
    )
  const given = read.values.get('admin')
  const url = given ?? addressUrl(admin.listen)
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new CommandError(
      exitCode.usage,
      `--admin: not an address, expected one such as ${addressUrl(admin.listen)}`,
    )
  if (given === undefined && admin.listen.port === 0)
    throw new CommandError(
      exitCode.config,
      'admin.listen has port 0, so the address changes with each start, expected --admin URL (see --ready-file)',
    )
  return async ({ method = 'GET', path, query = {}, body, headers = {}, failed }) => {
    const token = ownToken(tokens, method === 'GET' ? 'read' : 'write')
    if (token === undefined)
      throw new CommandError(exitCode.config, 'admin.tokenFile has no token of scope write, expected one')
    const target = new URL(`/api/v1${path}`, url)
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) target.searchParams.set(name, value)
    let response: Response
    let answer: unknown
    try {
      response = await fetch(target, {
        method,
        headers: {
          authorization: `Bearer ${token.token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      answer = await response.json().catch(() => ({}))
    } catch {
      throw new CommandError(
        exitCode.unavailable,
        `no gateway answers at ${url}, expected one that runs there`,
      )
    }
    if (response.ok) return answer
    const { detail } = answer as { detail?: unknown }
    const why = typeof detail === 'string' ? detail : `it answered ${response.status}`
    const code = response.status === 503 ? exitCode.unavailable : exitCode.failed
    throw new CommandError(code, `the gateway at ${url} ${failed}: ${why}`)
  }
}
