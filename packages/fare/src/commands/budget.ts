import { formatAmount } from '@turnpike/l402'
import type { Budget } from '@turnpike/l402/client'
import { changeLimits, describeLimits } from '../budget.ts'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openSession, type Session } from '../session.ts'

/** `fare budget show` and `fare budget set`: limits, fees included. */
export async function budget(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.budget)
  const { host, request, hour, day, total, count, json } = values
  const typed = { request, hour, day, total, count }
  const [action] = positionals
  if (positionals.length !== 1 || (action !== 'show' && action !== 'set'))
    throw new UsageError(
      'expected: fare budget show | set [--host H] [--request 100sat] [--hour …] [--day …] [--total …] [--count N/1d]',
    )
  const limitsTyped = Object.values(typed).some((value) => value !== undefined)
  if (action === 'show' && limitsTyped)
    throw new UsageError('fare budget show takes no limits; did you mean fare budget set?')
  if (action === 'set' && !limitsTyped)
    throw new UsageError(
      'fare budget set: expected at least one of --request, --hour, --day, --total, --count',
    )
  const session = openSession(env)
  try {
    const { purse } = session
    if (action === 'set') {
      const name = host === undefined ? undefined : hostName(host)
      // One after the other, so that two of these at once do not undo each other.
      await purse.withLock('budget', async () => purse.setBudget(changed(await purse.budget(), name, typed)))
    }
    const current = await purse.budget()
    if (json) await streams.out(toJson(await report(session, current)))
    else await streams.out(await show(session, current))
    return EXIT.fetched
  } finally {
    await session.close()
  }
}

function changed(
  current: Budget,
  host: string | undefined,
  typed: Parameters<typeof changeLimits>[1],
): Budget {
  if (host === undefined) return { ...current, overall: changeLimits(current.overall, typed) }
  return { ...current, hosts: { ...current.hosts, [host]: changeLimits(current.hosts[host] ?? {}, typed) } }
}

/** The punycode host name that limits go by. */
function hostName(text: string): string {
  const url = URL.canParse(`http://${text}/`) ? new URL(`http://${text}/`) : undefined
  if (url === undefined || url.port !== '' || url.pathname !== '/' || url.username !== '')
    throw new UsageError(`--host: expected a host name without port, e.g. api.example.com, got "${text}"`)
  return url.hostname
}

async function report(session: Session, current: Budget): Promise<object> {
  return { ok: true, limits: current, spent: await session.purse.spent() }
}

async function show(session: Session, current: Budget): Promise<string> {
  const parts = [`all hosts\n${indented(current.overall)}`]
  for (const [host, limits] of Object.entries(current.hosts)) parts.push(`${host}\n${indented(limits)}`)
  const spent = await session.purse.spent()
  const rows = [
    ['  last hour', formatAmount(spent.hourMsat)],
    ['  last day', formatAmount(spent.dayMsat)],
    ['  in total', `${formatAmount(spent.totalMsat)} in ${spent.count} payments`],
  ]
  return `${parts.join('\n')}\nspent or held, fees included\n${columns(rows)}\n`
}

function indented(limits: Parameters<typeof describeLimits>[0]): string {
  return columns(describeLimits(limits).map(([name, text]) => [`  ${name}`, text]))
}
