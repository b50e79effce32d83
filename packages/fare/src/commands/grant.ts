import { formatAmount } from '@turnpike/l402'
import { typedAmount } from '../budget.ts'
import { toJson } from '../cli/json.ts'
import { OPTIONS, type Parsed, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable, timeText } from '../cli/text.ts'
import { typedTask, typedTime } from '../cli/typed.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type Grant, type GrantTerms, grantEnd, openGrantBook } from '../grants/grant-book.ts'
import { formatGrantFile, readGrantFile, writeSecretFile } from '../grants/grant-file.ts'
import { grantsFile, socketFile } from '../paths.ts'

type Typed = Parsed<typeof OPTIONS.grant>['values']

const EXPECTED =
  'expected: fare grant create --total 1000sat --hosts api.example.com --until 1d [-o FILE] | list | show | revoke ID'

/** `fare grant create · list · show · revoke`: rights to spend through the daemon. */
export async function grant(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.grant)
  const [action, id, ...rest] = positionals
  if (rest.length > 0 || (id !== undefined && action !== 'revoke')) throw new UsageError(EXPECTED)
  if (action !== 'create' && Object.keys(values).some((name) => name !== 'json' && name !== 'sandbox'))
    throw new UsageError(`fare grant ${action ?? ''} takes no such option; ${EXPECTED}`)
  if (action === 'show') return await show(values, streams, env)
  if (action === 'create') return await create(values, streams, env)
  if (action !== 'list' && action !== 'revoke') throw new UsageError(EXPECTED)
  if (action === 'revoke' && id === undefined)
    throw new UsageError('fare grant revoke: expected the id of a grant')
  const book = openGrantBook(grantsFile(env))
  try {
    if (action === 'revoke') {
      const known = book.get(id ?? '')
      if (!known) throw new UsageError(`no grant "${printable(id ?? '')}"; fare grant list shows them`)
      book.revoke(known.id)
      const text = `Grant ${known.id} is revoked: nothing more is paid under it. Spent: ${formatAmount(known.spentMsat)}.\n`
      await streams.out(values.json ? toJson({ ok: true, exitCode: EXIT.fetched, grant: known.id }) : text)
      return EXIT.fetched
    }
    const shown = book.list().map((one) => describe(one))
    if (values.json) await streams.out(toJson({ ok: true, grants: shown }))
    else if (shown.length === 0) await streams.out('There are no grants. fare grant create makes one.\n')
    else {
      const rows = shown.map((one) => [
        one.id,
        one.state,
        formatAmount(one.spentMsat),
        formatAmount(one.totalMsat),
        one.expiresAt,
        one.task,
        one.hosts.join(', '),
      ])
      const head = ['ID', 'STATE', 'SPENT', 'OF', 'UNTIL', 'TASK', 'HOSTS']
      await streams.out(`${columns([head, ...rows])}\n`)
    }
    return EXIT.fetched
  } finally {
    book.close()
  }
}

async function create(values: Typed, streams: Streams, env: NodeJS.ProcessEnv): Promise<ExitCode> {
  const terms = typedTerms(values)
  const daemon = values.daemon ?? `unix:${socketFile(env)}`
  if (!/^(unix:\/.+|http:\/\/(127\.0\.0\.1|\[::1\]):[0-9]{1,5})$/.test(daemon))
    throw new UsageError('--daemon: expected http://127.0.0.1:PORT or unix:/path')
  const book = openGrantBook(grantsFile(env))
  try {
    const made = book.create(terms)
    const text = formatGrantFile({ daemon, grant: `${made.grant.id}.${made.secret}` })
    const where = values.output === undefined || values.output === '-' ? undefined : values.output
    if (where !== undefined) {
      try {
        writeSecretFile(where, text)
      } catch (error) {
        // A grant nobody has is no use.
        book.revoke(made.grant.id)
        throw error
      }
    }
    if (values.json) {
      const grant = {
        ...describe(made.grant),
        file: where ?? null,
        secret: where === undefined ? text.trim() : null,
      }
      await streams.out(toJson({ ok: true, exitCode: EXIT.fetched, grant }))
    } else if (where === undefined) {
      await streams.out(text)
      streams.err(
        `fare: grant ${made.grant.id}; keep this in a file for its holder alone: it is not shown again`,
      )
    } else {
      await streams.out(
        `Grant ${made.grant.id}: ${formatAmount(terms.totalMsat)} at ${terms.hosts.join(', ')}. Its holder runs: FARE_GRANT_FILE=${where} fare get URL (fare daemon must run)\n`,
      )
    }
    return EXIT.fetched
  } finally {
    book.close()
  }
}

/** What is left, as the daemon tells the holder; needs no purse. */
async function show(values: Typed, streams: Streams, env: NodeJS.ProcessEnv): Promise<ExitCode> {
  const path = env['FARE_GRANT_FILE']
  if (!path)
    throw new UsageError('fare grant show: expected FARE_GRANT_FILE to name a file of fare grant create')
  const { askAboutGrant } = await import('../daemon/ask.ts')
  const told = await askAboutGrant(readGrantFile(path, env))
  const msat = (name: string): bigint => BigInt(String(told[name] ?? '0'))
  const leftMsat = msat('totalMsat') > msat('spentMsat') ? msat('totalMsat') - msat('spentMsat') : 0n
  const expiresAt = timeText(Number(told['expiresAtMs']))
  const hosts = Array.isArray(told['hosts']) ? told['hosts'].map(String) : []
  const { id, state } = told
  if (values.json) {
    const grant = {
      id,
      state,
      totalMsat: msat('totalMsat'),
      spentMsat: msat('spentMsat'),
      leftMsat,
      expiresAt,
      hosts,
    }
    await streams.out(toJson({ ok: true, exitCode: EXIT.fetched, grant }))
    return EXIT.fetched
  }
  const rows = [
    ['grant', String(id)],
    ['state', String(state)],
    ['left', `${formatAmount(leftMsat)} of ${formatAmount(msat('totalMsat'))}`],
    ['until', expiresAt],
    ['hosts', hosts.map(printable).join(', ')],
  ]
  await streams.out(`${columns(rows)}\n`)
  return EXIT.fetched
}

function typedTerms(values: Typed): GrantTerms {
  const { total, request, hosts, until, task } = values
  if (total === undefined || hosts === undefined || until === undefined)
    throw new UsageError(
      'fare grant create: expected --total, --hosts and --until, e.g. --total 1000sat --hosts api.example.com --until 1d',
    )
  const names = hosts.split(',').map((text) => grantHost(text.trim()))
  const expiresAtMs = typedTime('--until', until, { ahead: true })
  return {
    totalMsat: typedAmount('--total', total),
    requestMsat: request === undefined ? null : typedAmount('--request', request),
    hosts: [...new Set(names)],
    expiresAtMs,
    task: task === undefined ? '' : typedTask(task),
  }
}

function grantHost(text: string): string {
  const url = URL.canParse(`http://${text}/`) ? new URL(`http://${text}/`) : undefined
  const plain = url && url.pathname === '/' && url.username === '' && url.search === '' && url.hash === ''
  if (!url || !plain || text.includes('*') || text.includes('/'))
    throw new UsageError(
      `--hosts: expected host names between commas, each with a port or none, got "${text}"`,
    )
  // The port as typed: URL leaves out the one of its scheme.
  const port = /:([0-9]+)$/.exec(text)?.[1]
  return port === undefined ? url.hostname : `${url.hostname}:${Number(port)}`
}

function describe(grant: Grant) {
  return {
    id: grant.id,
    state: grantEnd(grant, Date.now()) ?? 'good',
    totalMsat: grant.totalMsat,
    requestMsat: grant.requestMsat,
    spentMsat: grant.spentMsat,
    hosts: grant.hosts,
    expiresAt: timeText(grant.expiresAtMs),
    createdAt: timeText(grant.createdAtMs),
    task: grant.task,
  }
}
