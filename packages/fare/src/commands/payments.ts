import { encodeHex, formatAmount } from '@turnpike/l402'
import type { PaymentRecord } from '@turnpike/l402/client'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable, timeText } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openSession } from '../session.ts'

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
  const session = openSession(env)
  try {
    const records = await session.purse.payments(limit)
    if (values.json) await streams.out(toJson({ ok: true, payments: records.map(describe) }))
    else if (records.length === 0) await streams.out('No payments yet.\n')
    else {
      const rows = records.map((record) => {
        const { paymentHash, at, state, served, amountMsat, feeMsat, request } = describe(record)
        return [
          at,
          formatAmount(amountMsat),
          formatAmount(feeMsat),
          state,
          served,
          paymentHash.slice(0, 16),
          printable(request),
        ]
      })
      await streams.out(
        `${columns([['TIME', 'AMOUNT', 'FEE', 'STATE', 'SERVED', 'PAYMENT HASH', 'FOR'], ...rows])}\n`,
      )
    }
    return EXIT.fetched
  } finally {
    await session.close()
  }
}

function describe(record: PaymentRecord) {
  const { origin, pathname } = new URL(record.url)
  return {
    paymentHash: encodeHex(record.paymentHash),
    at: timeText(record.createdAtMs),
    // A query may hold what is nobody's business; the purse knows the whole URL.
    request: `${record.method} ${origin}${pathname}`,
    amountMsat: record.amountMsat,
    feeMsat: record.feeMsat,
    maxFeeMsat: record.maxFeeMsat,
    state: record.state,
    served: record.served,
    lastStatus: record.lastStatus === 0 ? null : record.lastStatus,
    payee: record.payee,
    detail: record.detail,
  }
}
