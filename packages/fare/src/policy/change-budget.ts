import type { Breakers, Budget, BudgetLimits, PaymentLists } from '@turnpike/l402/client'
import { changeLimits, type TypedLimits, window } from '../budget.ts'
import { UsageError } from '../cli/usage-error.ts'

/** What `fare budget set` can be told, as typed. */
export interface TypedBudget {
  /** Whose limits; at most one of the three, none for everything. */
  readonly host?: string | undefined
  readonly payee?: string | undefined
  readonly task?: string | undefined
  readonly limits: TypedLimits
  readonly allowHost?: readonly string[] | undefined
  readonly denyHost?: readonly string[] | undefined
  readonly allowPayee?: readonly string[] | undefined
  readonly denyPayee?: readonly string[] | undefined
  /** `5`, or `none`. */
  readonly priceJump?: string | undefined
  /** `5/1d`, or `none`. */
  readonly unserved?: string | undefined
}

/**
 * The budget with what was typed changed. Nothing that was not named is touched.
 *
 * @throws UsageError that names the flag.
 */
export function changeBudget(before: Budget, typed: TypedBudget): Budget {
  const { host, payee, task, limits } = typed
  if ([host, payee, task].filter((one) => one !== undefined).length > 1)
    throw new UsageError('--host, --payee and --task: expected one of them')
  const { hostLists, payeeLists, ...rest } = before
  const hostWords = { allow: typed.allowHost, deny: typed.denyHost }
  const payeeWords = { allow: typed.allowPayee, deny: typed.denyPayee }
  const changed = {
    ...rest,
    ...namedLists('hostLists', changeLists(hostLists, hostWords, hostEntry)),
    ...namedLists('payeeLists', changeLists(payeeLists, payeeWords, payeeKey('--allow-payee, --deny-payee'))),
    breakers: changeBreakers(before.breakers ?? {}, typed),
  }
  const set = (
    table: Readonly<Record<string, BudgetLimits>> | undefined,
    name: string,
  ): Record<string, BudgetLimits> => {
    const all = new Map(Object.entries(table ?? {}))
    all.set(name, changeLimits(all.get(name) ?? {}, limits))
    return Object.fromEntries(all)
  }
  if (host !== undefined) return { ...changed, hosts: set(before.hosts, hostName(host)) }
  if (payee !== undefined) return { ...changed, payees: set(before.payees, payeeKey('--payee')(payee)) }
  if (task !== undefined) return { ...changed, tasks: set(before.tasks, taskTag(task)) }
  return { ...changed, overall: changeLimits(before.overall, limits) }
}

/**
 * The punycode host name that limits go by.
 *
 * @throws UsageError
 */
export function hostName(text: string): string {
  const url = URL.canParse(`http://${text}/`) ? new URL(`http://${text}/`) : undefined
  if (url === undefined || url.port !== '' || url.pathname !== '/' || url.username !== '')
    throw new UsageError(`--host: expected a host name without port, e.g. api.example.com, got "${text}"`)
  return url.hostname.replace(/\.+$/, '')
}

/**
 * A tag that payments are kept under.
 *
 * @throws UsageError
 */
export function taskTag(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,63}$/.test(text))
    throw new UsageError(`--task: expected up to 64 letters, digits and . _ : / @ -, got "${text}"`)
  return text
}

function hostEntry(text: string): string {
  return text.startsWith('*.') ? `*.${hostName(text.slice(2))}` : hostName(text)
}

function payeeKey(flag: string): (text: string) => string {
  return (text) => {
    if (!/^0[23][0-9a-f]{64}$/i.test(text))
      throw new UsageError(`${flag}: expected the payee's public key, 66 hex digits, got "${text}"`)
    return text.toLowerCase()
  }
}

/** Each naming adds to a list; `none` empties it first, and a list that is empty then is none. */
function changeLists(
  before: PaymentLists | undefined,
  typed: { readonly [Name in keyof PaymentLists]: readonly string[] | undefined },
  read: (text: string) => string,
): PaymentLists {
  const changed = (['allow', 'deny'] as const).flatMap((name) => {
    const words = typed[name] ?? []
    const kept = words.includes('none') ? [] : (before?.[name] ?? [])
    const all = new Set([...kept, ...words.filter((word) => word !== 'none').map(read)])
    return all.size === 0 ? [] : [[name, [...all]] as const]
  })
  return Object.fromEntries(changed)
}

function namedLists(name: 'hostLists' | 'payeeLists', lists: PaymentLists): Partial<Budget> {
  return Object.keys(lists).length === 0 ? {} : { [name]: lists }
}

function changeBreakers(before: Breakers, { priceJump, unserved }: TypedBudget): Breakers {
  const jump = priceJump === undefined ? before.priceJump : jumpOf(priceJump)
  const most = window('--unserved', unserved, before.unserved)
  if (most?.max === 0) throw new UsageError('--unserved: expected 1 payment or more, or none')
  return {
    ...(jump !== undefined && { priceJump: jump }),
    ...(most !== undefined && { unserved: most }),
  }
}

function jumpOf(text: string): number | undefined {
  if (text === 'none') return undefined
  if (!/^[0-9]{1,6}(\.[0-9]{1,3})?$/.test(text) || Number(text) < 1)
    throw new UsageError(`--price-jump: expected a number of times, 1 or more, e.g. 5, got "${text}"`)
  return Number(text)
}
