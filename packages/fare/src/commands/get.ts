import { isL402Error, L402Error } from '@turnpike/l402'
import type { Buyer, FetchOutcome, PreparedRequest, PurseStore } from '@turnpike/l402/client'
import { typedAmount } from '../budget.ts'
import { eventLines } from '../cli/events.ts'
import { toJson } from '../cli/json.ts'
import { OPTIONS, type Parsed, parseOptions, wholeNumber } from '../cli/options.ts'
import { fileSink, memorySink, outputFile, streamSink } from '../cli/output.ts'
import { httpSettings, typedRequest } from '../cli/request.ts'
import type { Streams } from '../cli/streams.ts'
import { causeText } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.ts'
import { openSession } from '../session.ts'
import { answerOf, deliver } from './deliver.ts'
import { type End, endOf, jsonReport } from './report.ts'

type Typed = Parsed<typeof OPTIONS.get>['values']

/** `fare get URL`: fetches, pays when it must, within the budget. */
export async function get(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.get)
  if (positionals.length > 1) throw new UsageError(`expected one URL, got ${positionals.length}`)
  const limits = {
    maxMsat: values.max === undefined ? undefined : typedAmount('--max', values.max),
    maxRedirects: wholeNumber('--max-redirs', values['max-redirs']),
  }
  // Nothing is opened for a command line that makes no sense.
  const typed = values.quote === undefined ? await typedRequest(positionals[0], values) : undefined
  const session = openSession(env)
  try {
    const { purse } = session
    const request = typed ?? (await quotedRequest(purse, positionals[0], values))
    const file = outputFile(values.output, values['remote-name'], request.url)
    const buyer = session.buyer({
      ...limits,
      sandbox: values.sandbox ?? false,
      wallet: values.wallet,
      http: httpSettings(values),
      noPay: values['no-pay'] ?? false,
      task: values.task,
      payAgain: values['pay-again'] ?? false,
      onEvent: values.events ? eventLines(streams) : undefined,
    })
    const startedAt = performance.now()
    const outcome = await fetched(buyer, request, values.quote)
    return await hand({ outcome, values, file, purse, streams, startedAt })
  } finally {
    await session.close()
  }
}

/** The request of a quote: its URL and method need not be typed again. */
async function quotedRequest(
  purse: PurseStore,
  url: string | undefined,
  values: Typed,
): Promise<PreparedRequest> {
  if (url !== undefined) return await typedRequest(url, values)
  const quote = await purse.quote(values.quote ?? '')
  if (!quote)
    throw new L402Error(
      'payment_refused',
      'Nothing was paid: there is no such quote, or it ended more than a day ago',
    )
  return await typedRequest(quote.requestUrl, { ...values, request: values.request ?? quote.method })
}

async function fetched(
  buyer: Buyer,
  request: PreparedRequest,
  quote: string | undefined,
): Promise<FetchOutcome> {
  try {
    return quote === undefined ? await buyer.fetch(request) : await buyer.payQuote(quote, request)
  } catch (cause) {
    // The buyer throws only as long as nothing was paid.
    const message = `Nothing was paid: ${causeText(cause)}`
    throw isL402Error(cause) ? new L402Error(cause.code, message, { cause }) : new Error(message)
  }
}

interface Fetched {
  readonly outcome: FetchOutcome
  readonly values: Typed
  readonly file: string | undefined
  readonly purse: PurseStore
  readonly streams: Streams
  readonly startedAt: number
}

/** Hands the answer on, and says what happened. */
async function hand({ outcome, values, file, purse, streams, startedAt }: Fetched): Promise<ExitCode> {
  const code = exitCodeOf(outcome, values.fail ?? false)
  const answer = answerOf(outcome)
  const memory = values.json ? memorySink() : undefined
  // As with curl, an answer that is not what was asked for goes to no file, and with --fail nowhere.
  const toFile = outcome.kind === 'served' && code === EXIT.fetched ? file : undefined
  const head = !values.json && (values.include || values.head)
  const shown = code === EXIT.httpError && !values.json ? null : answer
  const given = await deliver(shown, {
    sinks: async () => [
      ...(memory ? [memory] : []),
      ...(toFile === undefined ? [] : [await fileSink(toFile)]),
      ...(memory || toFile !== undefined ? [] : [streamSink(streams)]),
    ],
    head: head ?? false,
  })
  if (given.kind === 'cut') await recordCut(purse, outcome)
  const end = endOf(outcome, { code, given })
  if (values.json) {
    const body = answer ? (memory?.bytes() ?? null) : null
    const ms = performance.now() - startedAt
    await streams.out(toJson(jsonReport(outcome, { end, answer, file: toFile, body, ms })))
  }
  if (values.events) {
    const { exitCode, message } = end
    eventLines(streams)({ type: 'end', exitCode, outcome: end.error?.code ?? 'served', message })
  } else if (!values.json && isWorthSaying(end, outcome, values.silent ?? false)) {
    streams.err(`fare: ${end.message}`)
  }
  return end.exitCode
}

function isWorthSaying(end: End, outcome: FetchOutcome, silent: boolean): boolean {
  return end.error !== null || (outcome.purchases.length > 0 && !silent)
}

/** An answer that broke off may not have been counted by the seller: the credential is presented again (rule C8). */
async function recordCut(purse: PurseStore, outcome: FetchOutcome): Promise<void> {
  if (!('credentialId' in outcome) || outcome.credentialId === null) return
  const held = (await purse.credentials()).find(({ id }) => id === outcome.credentialId)
  if (held) await purse.recordServed(held.paymentHash, 'not_served', 0)
}
