import { encodeHex, formatAmount } from '@turnpike/l402'
import { toCsv } from '../books/csv.ts'
import { type Entry, entriesOf, stateText } from '../books/entries.ts'
import { type Fiat, fiatOf, sumFiat } from '../books/fiat.ts'
import { costMsatOf, type Summary, summarise, taskOf, typedFilters } from '../books/filters.ts'
import { paint } from '../cli/colour.ts'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable, timeText } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openSession } from '../session.ts'

/** Payments that filters look through. */
const MOST_LOOKED_AT = 1_000_000

/** `fare payments`: every purchase and what became of it, newest first. */
export async function payments(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.payments)
  if (positionals.length > 0) throw new UsageError(`fare payments takes no argument, got "${positionals[0]}"`)
  const limit = Number(values.limit ?? 100)
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new UsageError('--limit: expected a whole number above 0')
  if (values.csv && values.json) throw new UsageError('--csv and --json do not go together')
  const filter = typedFilters(values)
  const session = openSession(env)
  try {
    const found = await entriesOf(session.purse, filter === undefined ? limit : MOST_LOOKED_AT)
    const entries = (filter === undefined ? found : found.filter(filter)).slice(0, limit)
    const shown = await Promise.all(
      entries.map(async (entry) => ({ ...describe(entry), fiat: await fiatOf(session.purse, entry) })),
    )
    const summary = { ...summarise(entries), fiat: sumFiat(shown.map(({ fiat }) => fiat)) }
    if (values.json) await streams.out(toJson({ ok: true, payments: shown, summary }))
    else if (values.csv) await streams.out(asCsv(shown))
    else if (shown.length === 0)
      await streams.out(filter === undefined ? 'No payments yet.\n' : 'No payment is like that.\n')
    else await streams.out(`${asTable(shown, streams)}\n\n${summaryText(summary)}\n`)
    return EXIT.fetched
  } finally {
    await session.close()
  }
}

type Shown = ReturnType<typeof describe> & { readonly fiat: Fiat | null }

function asTable(shown: readonly Shown[], streams: Streams): string {
  const tagged = shown.some(({ task }) => task !== '')
  const priced = shown.some(({ fiat }) => fiat !== null)
  const head = [
    'TIME',
    'AMOUNT',
    'FEE',
    ...(priced ? ['WORTH'] : []),
    'STATE',
    'SERVED',
    'PAYMENT HASH',
    ...(tagged ? ['TASK'] : []),
    'FOR',
  ]
  const rows = shown.map((one) => [
    one.at,
    formatAmount(one.amountMsat),
    formatAmount(one.feeMsat),
    ...(priced ? [one.fiat === null ? '–' : `${one.fiat.amount} ${one.fiat.currency}`] : []),
    stateText(one),
    one.served,
    one.paymentHash.slice(0, 16),
    ...(tagged ? [printable(one.task)] : []),
    printable(one.request),
  ])
  const lines = columns([head, ...rows]).split('\n')
  // Whole lines, after they were aligned: colours have no width.
  return lines.map((line, i) => paint(streams, colourOf(shown[i - 1]), line)).join('\n')
}

function colourOf(shown: Shown | undefined): 'bold' | 'red' | 'yellow' | 'plain' {
  if (shown === undefined) return 'bold'
  if (shown.state === 'settled') return shown.served === 'not_served' ? 'red' : 'plain'
  return shown.state === 'failed' ? 'plain' : 'yellow'
}

function asCsv(shown: readonly Shown[]): string {
  const head = [
    'time',
    'state',
    'served',
    'host',
    'request',
    'amount_msat',
    'fee_msat',
    'cost_msat',
    'task',
    'payee',
    'status',
    'payment_hash',
    'fiat',
    'currency',
    'fiat_per_btc',
    'written_off',
  ]
  const rows = shown.map((one) => [
    one.at,
    one.state,
    one.served,
    one.host,
    one.request,
    one.amountMsat,
    one.feeMsat,
    one.costMsat,
    one.task,
    one.payee,
    one.lastStatus,
    one.paymentHash,
    one.fiat?.amount ?? null,
    one.fiat?.currency ?? null,
    one.fiat?.rate ?? null,
    String(one.writtenOff),
  ])
  return toCsv([head, ...rows])
}

function summaryText(
  summary: Summary & { readonly fiat: readonly Pick<Fiat, 'currency' | 'amount'>[] },
): string {
  const { payments: count, spentMsat, served, msatPerServed, fiat } = summary
  const worth = fiat.map(({ amount, currency }) => ` (${amount} ${currency} then)`).join('')
  const each = msatPerServed === null ? '' : `, ${formatAmount(msatPerServed)} for each answer`
  return `${count} ${count === 1 ? 'payment' : 'payments'}, ${formatAmount(spentMsat)}${worth} spent or held, ${served} served${each}`
}

function describe(record: Entry) {
  const { origin, pathname } = new URL(record.url)
  return {
    paymentHash: encodeHex(record.paymentHash),
    at: timeText(record.createdAtMs),
    host: record.host,
    // A query may hold what is nobody's business; the purse knows the whole URL.
    request: `${record.method} ${origin}${pathname}`,
    amountMsat: record.amountMsat,
    feeMsat: record.feeMsat,
    maxFeeMsat: record.maxFeeMsat,
    costMsat: costMsatOf(record),
    state: record.state,
    served: record.served,
    lastStatus: record.lastStatus === 0 ? null : record.lastStatus,
    payee: record.payee,
    task: taskOf(record),
    detail: record.detail,
    writtenOff: record.writtenOff,
  }
}
