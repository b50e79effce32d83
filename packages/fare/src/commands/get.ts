import { isL402Error, L402Error } from '@turnpike/l402'
import type { Buyer, FetchOutcome, PreparedRequest, Purchase, PurseStore } from '@turnpike/l402/client'
import { typedAmount } from '../budget.ts'
import { eventLines } from '../cli/events.ts'
import { type Interruption, interruption } from '../cli/interruption.ts'
import { toJson } from '../cli/json.ts'
import { OPTIONS, type Parsed, parseOptions, wholeNumber } from '../cli/options.ts'
import { countingSink, memorySink, outputFile, streamSink } from '../cli/output.ts'
import type { Part } from '../cli/part.ts'
import { httpSettings, typedRequest } from '../cli/request.ts'
import type { Streams } from '../cli/streams.ts'
import { causeText } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.ts'
import { type GrantFile, readGrantFile } from '../grants/grant-file.ts'
import { openSession } from '../session.ts'
import { tellBooks } from '../tell-books.ts'
import { answerOf, deliver, type Given } from './deliver.ts'
import { anewIfOutgrown, goingOn } from './go-on.ts'
import { type End, endOf, jsonReport } from './report.ts'
import { save } from './save.ts'

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
  const grantFile = env['FARE_GRANT_FILE']
  if (grantFile) return await getUnderGrant(readGrantFile(grantFile, env), { typed, values, limits, streams })
  const session = openSession(env)
  const stopped = stoppable(values, streams)
  try {
    const { purse } = session
    const request = until(stopped.signal, typed ?? (await quotedRequest(purse, positionals[0], values)))
    const file = outputFile(values.output, values['remote-name'], request.url)
    const goOn = goingOn(request, { values, file })
    const tell = values.events ? eventLines(streams) : undefined
    const buyerThat = (noPay: boolean): Buyer =>
      session.buyer({
        ...limits,
        sandbox: values.sandbox ?? false,
        wallet: values.wallet,
        http: httpSettings(values),
        noPay,
        task: values.task,
        payAgain: values['pay-again'] ?? false,
        onEvent: (event) => {
          stopped.watch(event)
          tell?.(event)
        },
      })
    const startedAt = performance.now()
    const buyer = buyerThat(values['no-pay'] ?? false)
    const first = await nothingPaid(() =>
      values.quote === undefined ? buyer.fetch(goOn.request) : buyer.payQuote(values.quote, goOn.request),
    )
    const goneOn = await anewIfOutgrown(first, goOn, () =>
      // What was paid in this run opens; it is not paid for a second time.
      (first.purchases.length === 0 ? buyer : buyerThat(true)).fetch(request),
    )
    const interrupted = (): boolean => stopped.signal.aborted
    return await hand({ ...goneOn, values, file, request, interrupted, streams, startedAt })
  } finally {
    await session.close()
    stopped.end()
  }
}

/** The run can be told to end; what that does to the money is said where people read. */
function stoppable(values: Typed, streams: Streams): Interruption {
  return interruption({
    underWay() {
      if (values.json || values.events) return
      streams.err('fare: A payment is under way; waiting for its outcome. Ctrl-C again leaves it open.')
    },
    left() {
      const message =
        'It is not known whether this was paid: interrupted. Nothing will be paid twice; fare recover looks it up.'
      const exitCode = EXIT.paymentUnknown
      if (values.events) eventLines(streams)({ type: 'end', exitCode, outcome: 'payment_unknown', message })
      else if (!values.json) streams.err(`fare: ${message}`)
      if (!values.json) process.exit(exitCode)
      const error = { code: 'payment_unknown', reason: null, message }
      void streams.out(toJson({ ok: false, exitCode, error })).finally(() => process.exit(exitCode))
    },
  })
}

/** The request, which ends with the signal too. */
function until(signal: AbortSignal, request: PreparedRequest): PreparedRequest {
  return { ...request, signal: request.signal ? AbortSignal.any([signal, request.signal]) : signal }
}

/** What the daemon settles: each would be passed over without a word, so it is refused. */
const OF_THE_DAEMON = [
  'quote',
  'wallet',
  'sandbox',
  'insecure',
  'task',
  'compressed',
  'max-unpacked',
  'max-unpack-ratio',
  'http2',
  'connect-timeout',
  'response-timeout',
  'idle-timeout',
  'public-only',
] as const satisfies readonly (keyof Typed)[]

/** The same by way of the purse daemon (`FARE_GRANT_FILE`): this process opens neither purse nor wallet. */
async function getUnderGrant(
  grant: GrantFile,
  {
    typed,
    values,
    limits,
    streams,
  }: {
    readonly typed: PreparedRequest | undefined
    readonly values: Typed
    readonly limits: { readonly maxMsat: bigint | undefined; readonly maxRedirects: number | undefined }
    readonly streams: Streams
  },
): Promise<ExitCode> {
  for (const flag of OF_THE_DAEMON)
    if (values[flag] !== undefined)
      throw new UsageError(`--${flag} is the daemon's business; it does not go with FARE_GRANT_FILE`)
  if (typed === undefined) throw new UsageError('expected a URL')
  const file = outputFile(values.output, values['remote-name'], typed.url)
  const goOn = goingOn(typed, { values, file })
  const startedAt = performance.now()
  const timeoutMs =
    values['max-time'] === undefined ? undefined : Math.ceil(Number(values['max-time']) * 1000)
  const { askDaemon } = await import('../daemon/ask.ts')
  const ask = (request: PreparedRequest, noPay: boolean): Promise<FetchOutcome> =>
    askDaemon(grant, request, {
      ...limits,
      timeoutMs,
      noPay,
      payAgain: values['pay-again'] ?? false,
      onEvent: values.events ? eventLines(streams) : undefined,
    })
  const first = await nothingPaid(() => ask(goOn.request, values['no-pay'] ?? false))
  const goneOn = await anewIfOutgrown(first, goOn, () =>
    ask(typed, values['no-pay'] || first.purchases.length > 0),
  )
  // The daemon keeps the books.
  const interrupted = (): boolean => true
  return await hand({ ...goneOn, values, file, request: typed, interrupted, streams, startedAt })
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

async function nothingPaid(fetched: () => Promise<FetchOutcome>): Promise<FetchOutcome> {
  try {
    return await fetched()
  } catch (cause) {
    // The buyer throws only as long as nothing was paid.
    const message = `Nothing was paid: ${causeText(cause)}`
    if (cause instanceof UsageError) throw new UsageError(message)
    throw isL402Error(cause) ? new L402Error(cause.code, message, { cause }) : new Error(message)
  }
}

interface Fetched {
  /** As the buyer gave it. */
  readonly outcome: FetchOutcome
  /** What was bought in this run for a request before. */
  readonly before: readonly Purchase[]
  readonly values: Typed
  readonly file: string | undefined
  /** What of the file is gone on with. */
  readonly part: Part | undefined
  readonly request: PreparedRequest
  /** Whether its user has stopped it. */
  readonly interrupted: () => boolean
  readonly streams: Streams
  readonly startedAt: number
}

/** Hands the answer on, and says what happened. */
async function hand(fetched: Fetched): Promise<ExitCode> {
  const { values, file, streams, startedAt } = fetched
  const outcome = { ...fetched.outcome, purchases: [...fetched.before, ...fetched.outcome.purchases] }
  const code = exitCodeOf(outcome, values.fail ?? false)
  const answer = answerOf(outcome)
  // As with curl, an answer that is not what was asked for goes to no file, and with --fail nowhere.
  const toFile = outcome.kind === 'served' && code === EXIT.fetched ? file : undefined
  const memory = values.json ? (toFile === undefined ? memorySink() : countingSink()) : undefined
  const head = (!values.json && (values.include || values.head)) ?? false
  const shown = code === EXIT.httpError && !values.json ? null : answer
  const { given, resumedFrom } =
    toFile !== undefined && shown
      ? await save(shown, {
          file: toFile,
          url: fetched.request.url,
          method: fetched.request.method,
          part: fetched.part,
          counter: memory ?? countingSink(),
          head,
          draw: showsProgress(values) ? streams.draw : undefined,
        })
      : {
          given: await deliver(shown, { sinks: async () => [memory ?? streamSink(streams)], head }),
          resumedFrom: null,
        }
  const how = arrival(given, fetched.interrupted())
  const untold = how && (await tellBooks(fetched.outcome, how))
  if (untold && !values.events) streams.err(`fare: warning: ${untold}`)
  const end = endOf(outcome, { code, given })
  if (values.json) {
    const body = answer && memory && 'bytes' in memory ? memory.bytes() : null
    const bodyBytes = answer && memory ? ('bytes' in memory ? (body?.length ?? 0) : memory.count) : null
    const ms = performance.now() - startedAt
    const facts = { end, answer, file: toFile, body, bodyBytes, resumedFrom, ms }
    await streams.out(toJson(jsonReport(outcome, facts)))
  }
  if (values.events) {
    const { exitCode, message } = end
    eventLines(streams)({ type: 'end', exitCode, outcome: end.error?.code ?? 'served', message })
  } else if (!values.json && isWorthSaying(end, outcome, values.silent ?? false)) {
    streams.err(`fare: ${end.message}`)
  }
  return end.exitCode
}

/** What the books are told. What its user stopped, or could not write, says nothing of the server (rule C8). */
function arrival(given: Given, interrupted: boolean): 'whole' | 'cut' | undefined {
  if (given.kind === 'whole') return 'whole'
  if (given.kind === 'unwritten') return undefined
  if (given.spoken) return 'whole'
  // Another part than was asked for is not the resource's last word either: it is presented again.
  return given.kind === 'unfit' || interrupted ? undefined : 'cut'
}

/** On a terminal that shows nothing else meanwhile; {@link Streams.draw} is there on terminals alone. */
function showsProgress(values: Typed): boolean {
  return !values['no-progress'] && !values.silent && !values.json && !values.events
}

function isWorthSaying(end: End, outcome: FetchOutcome, silent: boolean): boolean {
  return end.error !== null || (outcome.purchases.length > 0 && !silent)
}
