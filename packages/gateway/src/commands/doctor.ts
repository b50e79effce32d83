/** `turnpike doctor URL`: what is wrong with an L402 server, and who can buy from it. */

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { formatAmount, isL402Error, parseAmount } from '@turnpike/l402'
import { type DiagnoseOptions, type Diagnosis, diagnose } from '@turnpike/l402/conformance'
import type { PaymentBackend } from '@turnpike/l402/lightning'
import { checkSettings, findKind, settingKeys } from '@turnpike/l402/lightning/kinds'
import { sandboxWallet } from '@turnpike/l402/lightning/sandbox-wallet'
import { parse } from 'yaml'
import { readArguments } from '../cli/arguments.ts'
import { CommandError, exitCode } from '../cli/exit.ts'
import { formatTable, wrapText } from '../cli/table.ts'
import { type Command, helpFlag } from './command.ts'

const help = `turnpike doctor URL [flags]

Probes any L402 server, ours or another: some thirty requests, none of them paid unless asked. Prints what each known client can
do with it and why not, then what is wrong, each with the rule and the remedy. Exit code 0: no errors; 1: some; 69: no answer.

  -X, --method METHOD   the method (default: GET, or POST with --data)
  -d, --data JSON       a body for every request
      --pay AMOUNT      buys once, for at most so much with its fees (e.g. "12 sat"), and tries every spelling of what
                        it bought; a route that sells several requests tells most
      --wallet FILE     the wallet, as in "lightning:" of turnpike.yaml: { backend: lnd, url: …, macaroonFile: … };
                        left out: the sandbox of a gateway on this machine
      --timeout SECONDS for each answer (default: 10)
      --json            one object on standard output
  -h, --help            this text

Examples:
  turnpike doctor https://api.example.com/forecast/oslo
  turnpike doctor http://127.0.0.1:8402/forecast/oslo --pay "12 sat"
`

export const doctorCommand: Command = {
  summary: 'probes any L402 server: who can buy from it, and what is wrong',
  help,
  async run(argv, io) {
    const text = { type: 'string' } as const
    const flags = {
      method: { type: 'string', short: 'X' },
      data: { type: 'string', short: 'd' },
      pay: text,
      wallet: text,
      timeout: text,
      json: { type: 'boolean' },
      help: helpFlag,
    } as const
    const read = readArguments(argv, flags, { command: 'doctor', maxPositionals: 1 })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const [url] = read.positionals
    if (url === undefined || !/^https?:\/\/./.test(url) || !URL.canParse(url))
      throw usage('expected a URL such as https://api.example.com/forecast/oslo')
    const data = read.values.get('data')
    const pay = await payingOf(read.values)
    try {
      const diagnosis = await diagnose({
        url,
        method: read.values.get('method') ?? (data === undefined ? 'GET' : 'POST'),
        ...(data === undefined ? {} : { body: data }),
        ...(pay === undefined ? {} : { pay }),
        timeoutMs: secondsOf(read.values.get('timeout') ?? '10') * 1000,
      }).catch((error: unknown) => {
        if (isL402Error(error))
          throw new CommandError(exitCode.unavailable, `turnpike doctor: ${error.message}`)
        // What was asked for wrongly; nothing was sent.
        if (error instanceof TypeError && /^invalid (?:url|method): /.test(error.message))
          throw usage(error.message)
        const why =
          error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : 'no answer'
        throw new CommandError(
          exitCode.unavailable,
          `turnpike doctor: ${new URL(url).host} cannot be asked: ${why}`,
        )
      })
      io.stdout(read.flags.has('json') ? jsonOf(diagnosis) : textOf(diagnosis))
      return diagnosis.findings.some(({ severity }) => severity === 'error') ? exitCode.failed : exitCode.ok
    } finally {
      await pay?.wallet.close()
    }
  },
}

function usage(message: string): CommandError {
  return new CommandError(
    exitCode.usage,
    `turnpike doctor: ${message}. Run "turnpike doctor --help" for its flags.`,
  )
}

function secondsOf(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw usage(`--timeout: expected whole seconds from 1, got "${text}"`)
  return Number(text)
}

async function payingOf(values: ReadonlyMap<string, string>): Promise<DiagnoseOptions['pay']> {
  const most = values.get('pay')
  const file = values.get('wallet')
  if (most === undefined) {
    if (file !== undefined) throw usage('--wallet pays nothing without --pay AMOUNT')
    return undefined
  }
  let mostMsat: bigint
  try {
    mostMsat = parseAmount(most)
  } catch (error) {
    throw usage(`--pay: ${error instanceof Error ? error.message : 'expected an amount such as "10 sat"'}`)
  }
  const wallet = file === undefined ? sandboxWallet({ url: 'http://127.0.0.1:8403' }) : await openWallet(file)
  return { wallet, mostMsat }
}

async function openWallet(file: string): Promise<PaymentBackend> {
  let settings: unknown
  try {
    settings = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'not YAML'
    throw new CommandError(exitCode.config, `turnpike doctor: ${file} cannot be read (${why})`)
  }
  const { backend, ...rest } = (settings ?? {}) as Record<string, unknown>
  const wrong = (what: string): CommandError =>
    new CommandError(exitCode.config, `turnpike doctor: ${file}: ${what}`)
  if (backend === 'sandbox') return sandboxWallet({ url: String(rest['url'] ?? 'http://127.0.0.1:8403') })
  const kind = typeof backend === 'string' ? findKind(backend, 'pay') : undefined
  if (kind?.openWallet === undefined) throw wrong('expected "backend:" with the name of a wallet')
  const [fault] = checkSettings(kind, 'pay', rest)
  if (fault !== undefined) throw wrong(fault.message)
  const folder = dirname(resolve(file))
  const given: Record<string, string> = {}
  for (const { key, type } of settingKeys(kind, 'pay')) {
    const value = rest[key]
    if (value !== undefined) given[key] = type === 'file' ? resolve(folder, String(value)) : String(value)
  }
  return kind.openWallet(given, {})
}

function jsonOf({ offer, paid, ...rest }: Diagnosis): string {
  const number = (value: bigint | null): number | null => (value === null ? null : Number(value))
  return `${JSON.stringify({
    ...rest,
    offer: offer === null ? null : { ...offer, amountMsat: number(offer.amountMsat) },
    paid:
      paid === null ? null : { ...paid, amountMsat: number(paid.amountMsat), feeMsat: number(paid.feeMsat) },
  })}\n`
}

/** What a terminal has at least. */
const COLUMNS = 80

function textOf({ url, findings, clients, offer, paid }: Diagnosis): string {
  const price =
    offer === null
      ? 'nothing that can be bought'
      : `${offer.amountMsat === null ? 'no amount' : formatAmount(offer.amountMsat)} on ${offer.network}`
  const lines = [`${url}\n`, `offers ${price}; ${paidText(paid)}\n\n`, clientsText(clients), '\n']
  if (findings.length === 0) lines.push('Nothing is wrong.\n')
  for (const { severity, rule, what, remedy } of findings) {
    const found = wrapText(`${severity}${rule === '-' ? '' : ` (${rule})`}: ${what}`, COLUMNS - 2)
    lines.push(`${found.join('\n  ')}\n`)
    for (const line of wrapText(remedy, COLUMNS - 4)) lines.push(`    ${line}\n`)
  }
  return lines.join('')
}

function paidText(paid: Diagnosis['paid']): string {
  if (paid === null) return 'nothing was paid'
  const { amountMsat, feeMsat, status } = paid
  if (status === 'unknown') return `${formatAmount(amountMsat)} and fees may have been paid`
  const fees = feeMsat === null ? 'fees that the wallet does not name' : `${formatAmount(feeMsat)} of fees`
  return `paid ${formatAmount(amountMsat)} and ${fees}`
}

/** The reasons in what is left of the width. */
function clientsText(clients: Diagnosis['clients']): string {
  const widest = Math.max(...clients.map(({ client }) => client.length))
  const left = COLUMNS - widest - '  can buy  '.length
  return formatTable([
    ['client', 'can buy', ''],
    ...clients.flatMap(({ client, buys, why }) =>
      wrapText(why, left).map((line, i) => (i === 0 ? [client, buys ? 'yes' : 'no', line] : ['', '', line])),
    ),
  ])
}
