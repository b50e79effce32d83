import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import { typedRequest } from '../cli/request.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.ts'
import { openBuyer, openSession } from '../session.ts'
import { describeOffer, moneyFirst } from './report.ts'

/** `fare quote URL`: the same request unpaid; what it would cost and whether policy would pay. */
export async function quote(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.quote)
  if (positionals.length > 1) throw new UsageError(`expected one URL, got ${positionals.length}`)
  const request = typedRequest(positionals[0], values)
  const session = await openSession(env)
  try {
    const run = {
      sandbox: values.sandbox ?? false,
      wallet: values.wallet,
      insecure: values.insecure ?? false,
    }
    const outcome = await openBuyer(session, run, env).quote(request)
    await outcome.response.body?.cancel()
    switch (outcome.kind) {
      case 'no_charge': {
        const { status } = outcome.response
        if (values.json) await streams.out(toJson({ ok: true, charged: false, url: outcome.url, status }))
        else await streams.out(`No payment asked for: the server answered ${status}.\n`)
        return EXIT.fetched
      }
      case 'unpayable': {
        const code = exitCodeOf(outcome, false)
        const { reason, detail, url } = outcome
        if (values.json)
          await streams.out(
            toJson({ ok: false, exitCode: code, url, error: { code: 'unpayable', reason, message: detail } }),
          )
        else streams.err(`fare: ${moneyFirst(outcome)}`)
        return code
      }
      case 'quote': {
        const { quote: offered } = outcome
        if (values.json) {
          const { refusal, ...facts } = offered
          await streams.out(
            toJson({ ok: true, charged: true, ...facts, wouldPay: refusal === null, refusal }),
          )
          return EXIT.fetched
        }
        const { id, refusal, method, requestUrl, heldCredentialId } = offered
        const verdict = refusal === null ? 'yes' : `no: ${printable(refusal.detail)}`
        const held =
          heldCredentialId === null ? [] : [['in the purse', `credential ${heldCredentialId} may open it`]]
        const rows = [
          ['quote', id],
          ['request', `${method} ${requestUrl}`],
          ...describeOffer(offered),
          ...held,
        ]
        await streams.out(`${columns([...rows, ['would pay', verdict]])}\n`)
        if (refusal === null)
          await streams.out(
            `\nTo pay exactly this invoice: fare get --quote ${id} (with the same URL and options)\n`,
          )
        return EXIT.fetched
      }
    }
  } finally {
    await session.close()
  }
}
