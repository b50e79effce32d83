import { typedAmount } from '../budget.ts'
import { eventLines } from '../cli/events.ts'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions, wholeNumber } from '../cli/options.ts'
import { httpSettings, typedRequest } from '../cli/request.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.ts'
import { openSession } from '../session.ts'
import { describeOffer, moneyFirst } from './report.ts'

/** `fare quote URL`: the same request unpaid; what it would cost and whether policy would pay. */
export async function quote(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.quote)
  if (positionals.length > 1) throw new UsageError(`expected one URL, got ${positionals.length}`)
  const request = await typedRequest(positionals[0], values)
  const session = openSession(env)
  try {
    const buyer = session.buyer({
      sandbox: values.sandbox ?? false,
      wallet: values.wallet,
      http: httpSettings(values),
      maxMsat: values.max === undefined ? undefined : typedAmount('--max', values.max),
      task: values.task,
      noPay: values['no-pay'] ?? false,
      maxRedirects: wholeNumber('--max-redirs', values['max-redirs']),
      onEvent: values.events ? eventLines(streams) : undefined,
    })
    const outcome = await buyer.quote(request)
    await outcome.response.body?.cancel()
    switch (outcome.kind) {
      case 'no_charge': {
        const { status } = outcome.response
        if (values.json)
          await streams.out(toJson({ ok: true, exitCode: 0, charged: false, url: outcome.url, status }))
        else await streams.out(`No payment asked for: the server answered ${status}.\n`)
        return EXIT.fetched
      }
      case 'unpayable': {
        const exitCode = exitCodeOf(outcome, false)
        const { reason, offer, url } = outcome
        const message = moneyFirst(outcome)
        const error = { code: outcome.kind, reason, message }
        if (values.json) await streams.out(toJson({ ok: false, exitCode, url, offer, error }))
        else streams.err(`fare: ${message}`)
        return exitCode
      }
      case 'quote': {
        const { quote: offered } = outcome
        if (values.json) {
          const { refusal, ...facts } = offered
          await streams.out(
            toJson({ ok: true, exitCode: 0, charged: true, ...facts, wouldPay: refusal === null, refusal }),
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
            `\nTo pay exactly this invoice: fare get --quote ${id} (with the same headers and data)\n`,
          )
        return EXIT.fetched
      }
    }
  } finally {
    await session.close()
  }
}
