import { createWriteStream, type WriteStream } from 'node:fs'
import { basename } from 'node:path'
import { finished } from 'node:stream/promises'
import type { FetchOutcome } from '@turnpike/l402/client'
import { typedAmount } from '../budget.ts'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import { typedRequest } from '../cli/request.ts'
import type { Streams } from '../cli/streams.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.ts'
import { openBuyer, openSession } from '../session.ts'
import { moneyFirst } from './report.ts'

/** `fare get URL`: fetches, pays when it must, within the budget. */
export async function get(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.get)
  if (positionals.length > 1) throw new UsageError(`expected one URL, got ${positionals.length}`)
  const request = typedRequest(positionals[0], values)
  const file = outputFile(values.output, values['remote-name'], request.url)
  const session = await openSession(env)
  try {
    const buyer = openBuyer(
      session,
      {
        sandbox: values.sandbox ?? false,
        wallet: values.wallet,
        insecure: values.insecure ?? false,
        maxMsat: values.max === undefined ? undefined : typedAmount('--max', values.max),
        noPay: values['no-pay'] ?? false,
        maxRedirects: wholeNumber('--max-redirs', values['max-redirs']),
        onEvent: values.events ? (event) => streams.err(toJson(event).trimEnd()) : undefined,
      },
      env,
    )
    const startedAt = performance.now()
    const outcome =
      values.quote === undefined ? await buyer.fetch(request) : await buyer.payQuote(values.quote, request)
    const code = exitCodeOf(outcome, values.fail ?? false)
    const sink = { streams, file, include: values.include ?? false, head: values.head ?? false }
    // --fail: as with curl, the body of an HTTP error is not written.
    const body = values.json ? await readBody(outcome) : null
    if (values.json) {
      if (file !== undefined && body !== null && code === EXIT.fetched) await writeAll(file, body)
      await streams.out(toJson(jsonReport(outcome, { code, file, body, ms: performance.now() - startedAt })))
      return code
    }
    if (showsBody(outcome, code)) await writeBody(outcome, sink)
    const quiet = values.events || (values.silent && code === EXIT.fetched)
    if (!quiet && (code !== EXIT.fetched || outcome.purchases.length > 0))
      streams.err(`fare: ${explain(outcome, code)}`)
    return code
  } finally {
    await session.close()
  }
}

function explain(outcome: FetchOutcome, code: ExitCode): string {
  if (code === EXIT.httpError && outcome.kind === 'served')
    return `${moneyFirst(outcome)} The server answered ${outcome.response.status}.`
  return moneyFirst(outcome)
}

// The answer to an unpaid or unserved request is worth reading too; it goes where a body goes.
function showsBody(outcome: FetchOutcome, code: ExitCode): boolean {
  return responseOf(outcome) !== null && code !== EXIT.httpError
}

function responseOf(outcome: FetchOutcome): Response | null {
  return 'response' in outcome ? outcome.response : null
}

interface Sink {
  readonly streams: Streams
  readonly file: string | undefined
  readonly include: boolean
  readonly head: boolean
}

async function writeBody(outcome: FetchOutcome, sink: Sink): Promise<void> {
  const response = responseOf(outcome)
  if (response === null) return
  const file = sink.file === undefined || outcome.kind !== 'served' ? undefined : await openFile(sink.file)
  const write = async (chunk: string | Uint8Array): Promise<boolean> => {
    if (file === undefined) return sink.streams.out(chunk)
    if (!file.write(chunk)) await new Promise((resolve) => file.once('drain', resolve))
    return true
  }
  if (sink.include || sink.head) await write(headText(response))
  for await (const chunk of response.body ?? []) if (!(await write(chunk))) break
  if (file !== undefined) {
    file.end()
    await finished(file)
  }
}

async function openFile(path: string): Promise<WriteStream> {
  const file = createWriteStream(path)
  await new Promise<void>((resolve, reject) => file.once('open', () => resolve()).once('error', reject))
  return file
}

async function writeAll(path: string, body: Uint8Array): Promise<void> {
  const file = await openFile(path)
  file.end(body)
  await finished(file)
}

function headText(response: Response): string {
  const lines = [`HTTP/1.1 ${response.status} ${response.statusText}`.trimEnd()]
  for (const [name, value] of response.headers) lines.push(`${name}: ${value}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}

async function readBody(outcome: FetchOutcome): Promise<Uint8Array | null> {
  const response = responseOf(outcome)
  return response === null ? null : new Uint8Array(await response.arrayBuffer())
}

interface ReportFacts {
  readonly code: ExitCode
  readonly file: string | undefined
  readonly body: Uint8Array | null
  readonly ms: number
}

/** The object of `--json`. Holds no macaroon, invoice or preimage of ours (rule C10). */
function jsonReport(outcome: FetchOutcome, { code, file, body, ms }: ReportFacts): object {
  const response = responseOf(outcome)
  const spentMsat = outcome.purchases
    .filter(({ resumed }) => !resumed)
    .reduce((sum, { amountMsat, feeMsat }) => sum + amountMsat + feeMsat, 0n)
  return {
    ok: code === EXIT.fetched,
    exitCode: code,
    outcome: outcome.kind,
    url: outcome.url,
    status: response?.status ?? null,
    headers: response === null ? null : shownHeaders(response.headers),
    ...(file === undefined || code !== EXIT.fetched
      ? bodyFields(body)
      : { outputFile: file, bodyBytes: body?.length ?? 0 }),
    paid: outcome.purchases.some(({ resumed }) => !resumed),
    spentMsat,
    purchases: outcome.purchases,
    reused: outcome.kind === 'served' && outcome.reused,
    credentialId: 'credentialId' in outcome ? outcome.credentialId : null,
    ...('paymentHash' in outcome ? { paymentHash: outcome.paymentHash } : {}),
    ...('offer' in outcome ? { offer: outcome.offer } : {}),
    ...(outcome.kind === 'served'
      ? {}
      : {
          error: {
            code: outcome.kind,
            ...('reason' in outcome ? { reason: outcome.reason } : {}),
            message: moneyFirst(outcome),
          },
        }),
    durationMs: Math.round(ms),
  }
}

// A 402's challenge is a bearer secret in the making: whoever pays its invoice owns it.
function shownHeaders(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name !== 'www-authenticate'))
}

function bodyFields(body: Uint8Array | null): object {
  if (body === null) return { body: null }
  try {
    return {
      body: new TextDecoder('utf-8', { fatal: true }).decode(body),
      bodyEncoding: 'utf-8',
      bodyBytes: body.length,
    }
  } catch {
    return { body: Buffer.from(body).toString('base64'), bodyEncoding: 'base64', bodyBytes: body.length }
  }
}

function outputFile(
  output: string | undefined,
  remoteName: boolean | undefined,
  url: URL,
): string | undefined {
  if (output !== undefined && remoteName) throw new UsageError('-o and -O do not go together')
  if (output !== undefined) return output === '-' ? undefined : output
  if (!remoteName) return undefined
  let name = ''
  try {
    name = basename(decodeURIComponent(url.pathname))
  } catch {
    // not percent-encoded text: no file name
  }
  // A server does not choose a hidden file, and a query is no part of a name.
  if (name === '' || name.startsWith('.') || /[\p{Cc}/\\]/u.test(name))
    throw new UsageError('-O: the URL does not end in a usable file name; use -o FILE')
  return name
}

function wholeNumber(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[0-9]{1,4}$/.test(text)) throw new UsageError(`${flag}: expected a whole number, got "${text}"`)
  return Number(text)
}
