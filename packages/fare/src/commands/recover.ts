import { formatAmount } from '@turnpike/l402'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openBuyer, openSession } from '../session.ts'

/** `fare recover`: looks every open payment up in its wallet and finishes what can be finished. Pays nothing. */
export async function recover(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, { ...OPTIONS.list, wallet: { type: 'string' } })
  if (positionals.length > 0) throw new UsageError(`fare recover takes no argument, got "${positionals[0]}"`)
  const session = await openSession(env)
  try {
    const run = { sandbox: values.sandbox ?? false, wallet: values.wallet, insecure: false }
    const found = await openBuyer(session, run, env).recover()
    if (values.json) await streams.out(toJson({ recovered: found }))
    else if (found.length === 0) await streams.out('No payment is open.\n')
    else {
      const rows = found.map(({ paymentHash, amountMsat, state, origin, detail }) => [
        paymentHash.slice(0, 16),
        formatAmount(amountMsat),
        state,
        origin,
        printable(detail),
      ])
      await streams.out(`${columns([['PAYMENT HASH', 'AMOUNT', 'STATE', 'ORIGIN', 'DETAIL'], ...rows])}\n`)
    }
    return found.some(({ state }) => state === 'unknown') ? EXIT.paymentUnknown : EXIT.fetched
  } finally {
    await session.close()
  }
}
