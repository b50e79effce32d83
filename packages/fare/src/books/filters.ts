import type { PaymentRecord } from '@turnpike/l402/client'
import { typedAmount } from '../budget.ts'
import { typedTask, typedTime } from '../cli/typed.ts'
import { UsageError } from '../cli/usage-error.ts'
import type { Entry } from './entries.ts'

/** Which payments to show, as typed. */
export interface TypedFilters {
  readonly host?: string | undefined
  readonly state?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly task?: string | undefined
  readonly min?: string | undefined
}

/** What `--state` may be: what became of the payment, or of what it paid for. */
const STATES: Readonly<Record<string, (entry: Entry) => boolean>> = {
  ...byState('settled', 'failed', 'unknown', 'paid_unproven', 'reserved', 'in_flight'),
  open: ({ state, writtenOff }) =>
    !writtenOff && (state === 'reserved' || state === 'in_flight' || state === 'unknown'),
  written_off: ({ writtenOff }) => writtenOff,
  redeemed: ({ served }) => served === 'redeemed',
  not_served: ({ state, served }) => state === 'settled' && served === 'not_served',
  unserved: ({ state, served }) => state === 'settled' && served === 'unserved',
}

/**
 * A test for payments; `undefined` where nothing was typed.
 *
 * @throws UsageError naming the flag.
 */
export function typedFilters(typed: TypedFilters): ((entry: Entry) => boolean) | undefined {
  const { host, state, since, until, task, min } = typed
  const tests: ((entry: Entry) => boolean)[] = []
  if (host !== undefined) {
    const name = URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`).hostname : undefined
    if (name === undefined || /[/:]/.test(host))
      throw new UsageError(`--host: expected a host name without port, got "${host}"`)
    tests.push((record) => record.host === name)
  }
  if (state !== undefined) {
    const test = Object.hasOwn(STATES, state) ? STATES[state] : undefined
    if (test === undefined)
      throw new UsageError(`--state: expected one of ${Object.keys(STATES).join(', ')}, got "${state}"`)
    tests.push(test)
  }
  if (since !== undefined) {
    const from = typedTime('--since', since, { ahead: false })
    tests.push((record) => record.createdAtMs >= from)
  }
  if (until !== undefined) {
    const to = typedTime('--until', until, { ahead: false })
    tests.push((record) => record.createdAtMs < to)
  }
  if (task !== undefined) {
    const tag = typedTask(task)
    tests.push((record) => taskOf(record) === tag)
  }
  if (min !== undefined) {
    const least = typedAmount('--min', min)
    tests.push((record) => costMsatOf(record) >= least)
  }
  return tests.length === 0 ? undefined : (record) => tests.every((test) => test(record))
}

/** The tag of a payment, `''` for none. */
export function taskOf(record: PaymentRecord): string {
  return 'task' in record && typeof record.task === 'string' ? record.task : ''
}

/** What a payment counts for in msat: the worst as long as its end is open, the truth afterwards (rule C3). */
export function costMsatOf({ state, amountMsat, feeMsat, maxFeeMsat }: PaymentRecord): bigint {
  if (state === 'failed') return 0n
  return amountMsat + (state === 'settled' || state === 'paid_unproven' ? feeMsat : maxFeeMsat)
}

/** What payments came to. */
export interface Summary {
  readonly payments: number
  /** Spent or held, fees included. */
  readonly spentMsat: bigint
  /** Purchases that the server answered as paid for. */
  readonly served: number
  /** What one of those cost, what was lost on the way included, rounded up; `null` where there was none. */
  readonly msatPerServed: bigint | null
}

/** Sums payments up. */
export function summarise(records: readonly PaymentRecord[]): Summary {
  let spentMsat = 0n
  let served = 0
  for (const record of records) {
    spentMsat += costMsatOf(record)
    if (record.served === 'redeemed') served++
  }
  const each = served === 0 ? null : (spentMsat + BigInt(served) - 1n) / BigInt(served)
  return { payments: records.length, spentMsat, served, msatPerServed: each }
}

function byState(...states: readonly PaymentRecord['state'][]) {
  return Object.fromEntries(states.map((name) => [name, ({ state }: PaymentRecord) => state === name]))
}
