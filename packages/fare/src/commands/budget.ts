import { formatAmount, formatDuration } from '@turnpike/l402'
import type { Budget, BudgetLimits, PaymentLists } from '@turnpike/l402/client'
import { describeLimits } from '../budget.ts'
import { toJson } from '../cli/json.ts'
import { OPTIONS, type Parsed, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { changeBudget, hostName, type TypedBudget } from '../policy/change-budget.ts'
import { openSession, type Session } from '../session.ts'

const USAGE =
  'expected: fare budget show | forgive HOST | set [--host H | --payee P | --task T] [--request 100sat] [--hour …] [--day …] [--total …] [--count N/1d] [--approve-above …] [--allow-host H] [--deny-host H] [--allow-payee P] [--deny-payee P] [--price-jump N] [--unserved N/1d]'

/** `fare budget show`, `set` and `forgive`: what may be paid, fees included. */
export async function budget(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.budget)
  const [action, subject] = positionals
  const words = action === 'forgive' ? 2 : 1
  if (positionals.length !== words || !['show', 'set', 'forgive'].includes(action ?? ''))
    throw new UsageError(USAGE)
  const { json, help: _, sandbox: __, ...typed } = values
  const { host, payee, task, ...changes } = typed
  const changed = Object.values(changes).some((value) => value !== undefined)
  if (action !== 'set' && Object.values(typed).some((value) => value !== undefined))
    throw new UsageError(`fare budget ${action} takes no limits; did you mean fare budget set?`)
  if (action === 'set' && !changed)
    throw new UsageError(
      'fare budget set: expected at least one of --request, --hour, --day, --total, --count, --approve-above, a list or a breaker',
    )
  const session = openSession(env)
  try {
    const { purse } = session
    if (action === 'forgive') await purse.forgive(hostName(subject ?? ''))
    if (action === 'set') {
      // One after the other, so that two of these at once do not undo each other.
      await purse.withLock('budget', async () =>
        purse.setBudget(changeBudget(await purse.budget(), typedBudget(values))),
      )
    }
    const current = await purse.budget()
    if (json) await streams.out(toJson(await report(session, current)))
    else await streams.out(await show(session, current))
    return EXIT.fetched
  } finally {
    await session.close()
  }
}

function typedBudget(values: Parsed<typeof OPTIONS.budget>['values']): TypedBudget {
  const { host, payee, task, request, hour, day, total, count, unserved } = values
  return {
    host,
    payee,
    task,
    limits: { request, hour, day, total, count, approveAbove: values['approve-above'] },
    allowHost: values['allow-host'],
    denyHost: values['deny-host'],
    allowPayee: values['allow-payee'],
    denyPayee: values['deny-payee'],
    priceJump: values['price-jump'],
    unserved,
  }
}

async function report(session: Session, current: Budget): Promise<object> {
  return { ok: true, limits: current, spent: await session.purse.spent() }
}

async function show(session: Session, current: Budget): Promise<string> {
  const { overall, hosts, payees = {}, tasks = {} } = current
  const parts = [`all hosts\n${indented(overall)}`]
  for (const [host, limits] of Object.entries(hosts)) parts.push(`${host}\n${indented(limits)}`)
  for (const [payee, limits] of Object.entries(payees)) parts.push(`payee ${payee}\n${indented(limits)}`)
  for (const [task, limits] of Object.entries(tasks)) parts.push(`task ${task}\n${indented(limits)}`)
  const rules = [
    ...listRows('hosts', current.hostLists),
    ...listRows('payees', current.payeeLists),
    ...breakerRows(current),
  ]
  if (rules.length > 0) parts.push(`who is paid\n${columns(rules)}`)
  const spent = await session.purse.spent()
  const rows = [
    ['  last hour', formatAmount(spent.hourMsat)],
    ['  last day', formatAmount(spent.dayMsat)],
    ['  in total', `${formatAmount(spent.totalMsat)} in ${spent.count} payments`],
  ]
  return `${parts.join('\n')}\nspent or held, fees included\n${columns(rows)}\n`
}

function indented(limits: BudgetLimits): string {
  return columns(describeLimits(limits).map(([name, text]) => [`  ${name}`, text]))
}

function listRows(what: string, lists: PaymentLists | undefined): string[][] {
  return [
    ...(lists?.allow ? [[`  only ${what}`, lists.allow.join(', ')]] : []),
    ...(lists?.deny ? [[`  never ${what}`, lists.deny.join(', ')]] : []),
  ]
}

function breakerRows({ breakers }: Budget): string[][] {
  const { priceJump, unserved } = breakers ?? {}
  const bad =
    unserved &&
    `not paid any more after ${unserved.max} unserved payments in ${formatDuration(unserved.seconds)}`
  return [
    ...(priceJump === undefined
      ? []
      : [['  price jump', `approval above ${priceJump} times the last price`]]),
    ...(bad === undefined ? [] : [['  bad hosts', bad]]),
  ]
}
