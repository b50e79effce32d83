/** `turnpike tokens`: what was sold, through the admin API of the running gateway. */

import { adminToken } from '../admin/admin-token.ts'
import { readArguments } from '../cli/arguments.ts'
import { CommandError, type ExitCode, exitCode } from '../cli/exit.ts'
import type { Io } from '../cli/io.ts'
import { nearestName } from '../cli/nearest.ts'
import { addressUrl } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { type Command, configFlag, defaultConfigFile, helpFlag } from './command.ts'

const help = `turnpike tokens revoke ID [--payment-hash] [-c FILE] [--admin URL]

Revokes what was sold: nothing under that token id opens any more, on every gateway that shares the store, for good. Asks
the admin API of the running gateway, with the token of admin.tokenFile.

  ID                  the token id, 64 hex digits: X-L402-Token-Id at the upstream, "tokenId" of a balance
      --payment-hash  ID is a payment hash: this one payment's credential only
      --admin URL     the admin listener (default: admin.listen of the configuration)
  -c, --config FILE   the configuration (default: turnpike.yaml)
  -h, --help          this text

Examples:
  turnpike tokens revoke 6796d211aea79a9687074de50c543328fa905701a9f67162e2161e2b14eb8ede
`

/** Commands of the documented surface that this version does not have. */
const LATER = ['list', 'show', 'refund']
const TIMEOUT_MS = 10_000

export const tokensCommand: Command = {
  summary: 'revokes what was sold (tokens revoke)',
  help,
  async run(argv, io) {
    const flags = {
      config: configFlag,
      admin: { type: 'string' },
      'payment-hash': { type: 'boolean' },
      help: helpFlag,
    } as const
    const read = readArguments(argv, flags, { command: 'tokens', maxPositionals: 2 })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const [verb, id = ''] = read.positionals
    if (verb !== 'revoke') throw new CommandError(exitCode.usage, `turnpike tokens: ${wrongVerb(verb)}`)
    if (!/^[0-9a-fA-F]{64}$/.test(id))
      throw new CommandError(exitCode.usage, 'turnpike tokens revoke: expected an id of 64 hex digits')
    const name = read.flags.has('payment-hash') ? 'paymentHash' : 'tokenId'
    const { admin } = loadConfig(read.values.get('config') ?? defaultConfigFile, {
      cwd: io.cwd,
      env: io.env,
      sandbox: true,
    })
    const token = adminToken(admin.tokenFile)
    if (token === undefined)
      throw new CommandError(
        exitCode.config,
        'the configuration names no admin.tokenFile, expected one: the admin API answers nobody without it',
      )
    const url = read.values.get('admin') ?? addressUrl(admin.listen)
    return revoke({ url, token, target: { [name]: id.toLowerCase() } }, io)
  },
}

function wrongVerb(verb: string | undefined): string {
  if (verb === undefined) return 'expected "turnpike tokens revoke ID"'
  if (LATER.includes(verb)) return `${verb} is not available yet, expected "turnpike tokens revoke ID"`
  const meant = nearestName(verb, ['revoke', ...LATER])
  return `unknown command "${verb}", expected "revoke".${meant === undefined ? '' : ` Did you mean "${meant}"?`}`
}

interface Revocation {
  readonly url: string
  readonly token: string
  readonly target: Readonly<Record<string, string>>
}

async function revoke({ url, token, target }: Revocation, io: Io): Promise<ExitCode> {
  let response: Response
  try {
    response = await fetch(new URL('/api/v1/revocations', url), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(target),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
  } catch {
    throw new CommandError(exitCode.unavailable, `no gateway answers at ${url}, expected one that runs there`)
  }
  if (response.status === 201) {
    io.stdout(`revoked ${Object.values(target).join()}\n`)
    return exitCode.ok
  }
  const detail = ((await response.json().catch(() => ({}))) as { detail?: unknown }).detail
  const why = typeof detail === 'string' ? detail : `it answered ${response.status}`
  const code = response.status === 503 ? exitCode.unavailable : exitCode.failed
  throw new CommandError(code, `the gateway at ${url} did not revoke it: ${why}`)
}
