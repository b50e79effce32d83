import { formatAmount } from '@turnpike/l402'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openSession } from '../session.ts'

/** `fare recover`: looks every open payment up in its wallet and finishes what can be finished. Pays nothing. */
export async function recover(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.recover)
  if (positionals.length > 0) throw new UsageError(`fare recover takes no argument, got "${positionals[0]}"`)
  const session = openSession(env)
  try {
    // Looking up spends nothing, so the wallet that was asked to pay need not be named again.
    const asked = (await session.purse.openPayments()).some(({ wallet }) => wallet === 'sandbox')
    const sandbox = values.sandbox ?? (values.wallet === undefined && asked)
    const found = await session.buyer({ sandbox, wallet: values.wallet }).recover()
    const open = found.some(({ state }) => state === 'unknown')
    const exitCode = open ? EXIT.paymentUnknown : EXIT.fetched
    if (values.json) await streams.out(toJson({ ok: !open, exitCode, recovered: found }))
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
    return exitCode
  } finally {
    await session.close()
  }
}
