import { formatAmount } from '@turnpike/l402'
import { type StoredCredential, shownCaveatsOf } from '@turnpike/l402/client'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable, timeText } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openSession } from '../session.ts'

/** `fare tokens list`: what was bought. Never shows a macaroon or preimage (rule C10). */
export async function tokens(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.tokens)
  if (positionals[0] !== 'list' || positionals.length > 1)
    throw new UsageError('expected: fare tokens list [--json]')
  const session = openSession(env)
  try {
    const shown = (await session.purse.credentials()).map(describe)
    if (values.json) await streams.out(toJson({ ok: true, tokens: shown }))
    else if (shown.length === 0) await streams.out('The purse holds no credentials.\n')
    else {
      const rows = shown.map(({ id, origin, costMsat, boughtAt, boughtFor, caveats }) => [
        id,
        origin,
        formatAmount(costMsat),
        boughtAt,
        printable(boughtFor),
        caveats.map(printable).join(' · '),
      ])
      await streams.out(`${columns([['ID', 'ORIGIN', 'COST', 'BOUGHT', 'FOR', 'CAVEATS'], ...rows])}\n`)
    }
    return EXIT.fetched
  } finally {
    await session.close()
  }
}

function describe(credential: StoredCredential) {
  return {
    id: credential.id,
    origin: credential.origin,
    boughtFor: credential.boughtFor,
    boughtAt: timeText(credential.createdAtMs),
    lastUsedAt: timeText(credential.lastUsedAtMs),
    costMsat: credential.costMsat,
    caveats: shownCaveatsOf(credential.macaroon),
    rejectedFor: credential.rejectedFor,
  }
}
