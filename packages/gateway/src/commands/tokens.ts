/** `turnpike tokens`: what was sold, through the admin API of the running gateway. */

import { formatAmount } from '@turnpike/l402'
import { ADMIN_FLAGS_HELP, type AdminClient, adminClient, adminFlags } from '../cli/admin-client.ts'
import { type Arguments, readArguments } from '../cli/arguments.ts'
import { CommandError, type ExitCode, exitCode } from '../cli/exit.ts'
import type { Io } from '../cli/io.ts'
import { nearestName } from '../cli/nearest.ts'
import { formatTable } from '../cli/table.ts'
import type { Command } from './command.ts'
import { amountText, type PaymentBody, paymentLines, type RefundBody, timeText } from './sold.ts'

const help = `turnpike tokens list | show ID | revoke ID | refund ID [flags]

What was sold, and to take it back or give it back. Asks the admin API of the running gateway, with the token of
admin.tokenFile. A token id is 64 hex digits: X-L402-Token-Id at the upstream, "tokenId" of a balance.

  list                what was sold, the newest first
      --service NAME  of this service alone
      --search HEX    ids that begin so
      --limit N       at most so many, 1 to 1000 (default 50); --cursor goes on where the last page ended
  show ID             its payments, what is left of each, what was given back
  revoke ID           nothing under that token id opens any more, on every gateway that shares the store, for good
      --payment-hash  ID is a payment hash: this one payment's credential only
  refund ID           gives back what was used: ID is a payment hash, or a token id with a single payment. Calls come
                      back to a bundle, msat to credit; of a pass it is written down what was paid back elsewhere
      --calls N       so many calls (default: all that were used)
      --amount A      so much credit, e.g. "10 sat" (default: all that was used)
      --reason TEXT   why, for the books
      --key KEY       the same key again is the same refund: give one where the command may be repeated
${ADMIN_FLAGS_HELP}

Examples:
  turnpike tokens list --service weather
  turnpike tokens revoke 6796d211aea79a9687074de50c543328fa905701a9f67162e2161e2b14eb8ede
  turnpike tokens refund 6796d211aea79a9687074de50c543328fa905701a9f67162e2161e2b14eb8ede --calls 3 --key ticket-17
`

const VERBS = ['list', 'show', 'revoke', 'refund'] as const
const flags = {
  ...adminFlags,
  'payment-hash': { type: 'boolean' },
  service: { type: 'string' },
  search: { type: 'string' },
  limit: { type: 'string' },
  cursor: { type: 'string' },
  calls: { type: 'string' },
  amount: { type: 'string' },
  reason: { type: 'string' },
  key: { type: 'string' },
} as const

export const tokensCommand: Command = {
  summary: 'what was sold: list, show, revoke, refund',
  help,
  async run(argv, io) {
    const read = readArguments(argv, flags, { command: 'tokens', maxPositionals: 2 })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const [verb, id] = read.positionals
    switch (verb) {
      case 'list':
        if (id !== undefined) throw usage(`unexpected argument "${id}"`)
        return list(read, io)
      case 'show':
        return show(idOf('show', id), read, io)
      case 'revoke':
        return revoke(idOf('revoke', id), read, io)
      case 'refund':
        return refund(idOf('refund', id), read, io)
      case undefined:
        throw usage(`expected one of ${VERBS.join(', ')}`)
      default: {
        const meant = nearestName(verb, VERBS)
        const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`
        throw usage(`unknown command "${verb}", expected one of ${VERBS.join(', ')}.${hint}`)
      }
    }
  },
}

function usage(what: string): CommandError {
  return new CommandError(exitCode.usage, `turnpike tokens: ${what}`)
}

function idOf(verb: string, id: string | undefined): string {
  if (id === undefined || !/^[0-9a-fA-F]{64}$/.test(id))
    throw new CommandError(exitCode.usage, `turnpike tokens ${verb}: expected an id of 64 hex digits`)
  return id.toLowerCase()
}

interface TokenBody {
  readonly tokenId: string
  readonly payments: number
  readonly amountMsat: number
  readonly services: readonly string[]
  readonly state: string
  readonly lastPaidAt: string
}

async function list(read: Arguments, io: Io): Promise<ExitCode> {
  const { values } = read
  const page = (await adminClient(
    read,
    io,
  )({
    path: '/tokens',
    query: {
      limit: values.get('limit'),
      cursor: values.get('cursor'),
      service: values.get('service'),
      search: values.get('search'),
    },
    failed: 'did not list them',
  })) as { items: readonly TokenBody[]; next: string | null }
  if (read.flags.has('json')) {
    io.stdout(`${JSON.stringify(page)}\n`)
    return exitCode.ok
  }
  if (page.items.length === 0) io.stderr('nothing was sold that fits\n')
  else
    io.stdout(
      formatTable([
        ['TOKEN ID', 'LAST PAID', 'PAYMENTS', 'PAID', 'STATE', 'SERVICES'],
        ...page.items.map((token) => [
          token.tokenId,
          timeText(token.lastPaidAt),
          String(token.payments),
          amountText(token.amountMsat),
          token.state,
          token.services.join(','),
        ]),
      ]),
    )
  if (page.next !== null) io.stderr(`there are more: --cursor ${page.next}\n`)
  return exitCode.ok
}

interface TokenDetailBody extends TokenBody {
  readonly credit: { creditedMsat: number; usedMsat: number; leftMsat: number; lostMsat: number } | null
  readonly items: readonly PaymentBody[]
}

async function show(id: string, read: Arguments, io: Io): Promise<ExitCode> {
  const token = (await adminClient(
    read,
    io,
  )({
    path: `/tokens/${id}`,
    failed: 'does not show it',
  })) as TokenDetailBody
  if (read.flags.has('json')) {
    io.stdout(`${JSON.stringify(token)}\n`)
    return exitCode.ok
  }
  const lines = [
    ['token id', token.tokenId],
    ['state', token.state],
    [
      'paid',
      `${amountText(token.amountMsat)} in ${token.payments} payment${token.payments === 1 ? '' : 's'}`,
    ],
  ]
  if (token.credit !== null) {
    const { creditedMsat, leftMsat } = token.credit
    lines.push(['credit', `${amountText(leftMsat)} left of ${amountText(creditedMsat)}`])
  }
  io.stdout(formatTable(lines))
  for (const payment of token.items) io.stdout(`\n${formatTable(paymentLines(payment))}`)
  return exitCode.ok
}

async function revoke(id: string, read: Arguments, io: Io): Promise<ExitCode> {
  const name = read.flags.has('payment-hash') ? 'paymentHash' : 'tokenId'
  const answer = await adminClient(
    read,
    io,
  )({
    method: 'POST',
    path: '/revocations',
    body: { [name]: id },
    failed: 'did not revoke it',
  })
  io.stdout(read.flags.has('json') ? `${JSON.stringify(answer)}\n` : `revoked ${id}\n`)
  return exitCode.ok
}

async function refund(id: string, read: Arguments, io: Io): Promise<ExitCode> {
  const { values } = read
  const calls = values.get('calls')
  if (calls !== undefined && !/^[1-9][0-9]{0,14}$/.test(calls))
    throw new CommandError(exitCode.usage, 'turnpike tokens refund: --calls: expected a whole number from 1')
  const amount = values.get('amount')
  const amountMsat = amount === undefined ? undefined : amountOf(amount)
  const ask = adminClient(read, io)
  const paymentHash = await paymentOf(id, ask)
  const key = values.get('key')
  const refunded = (await ask({
    method: 'POST',
    path: '/refunds',
    headers: key === undefined ? {} : { 'idempotency-key': key },
    body: {
      paymentHash,
      ...(calls === undefined ? {} : { calls: Number(calls) }),
      ...(amountMsat === undefined ? {} : { amountMsat }),
      reason: values.get('reason') ?? '',
    },
    failed: 'did not refund it',
  })) as RefundBody
  io.stdout(read.flags.has('json') ? `${JSON.stringify(refunded)}\n` : `${refundText(refunded)}\n`)
  return exitCode.ok
}

/** The payment that is meant: of a token id its only one. */
async function paymentOf(id: string, ask: AdminClient): Promise<string> {
  const { items } = (await ask({ path: '/tokens', query: { search: id }, failed: 'did not refund it' })) as {
    items: readonly TokenBody[]
  }
  if (items.length === 0) return id
  const { items: payments } = (await ask({
    path: `/tokens/${id}`,
    failed: 'did not refund it',
  })) as TokenDetailBody
  const [only] = payments
  if (payments.length === 1 && only !== undefined) return only.paymentHash
  const hashes = payments.map(({ paymentHash }) => `  ${paymentHash}`).join('\n')
  throw new CommandError(
    exitCode.usage,
    `the token has ${payments.length} payments, expected the hash of one:\n${hashes}`,
  )
}

function amountOf(text: string): number {
  const parts = /^([1-9][0-9]{0,14}) ?(sat|msat)$/.exec(text)
  if (parts === null)
    throw new CommandError(
      exitCode.usage,
      `turnpike tokens refund: --amount: expected an amount such as ${formatAmount(10_000n)}`,
    )
  return Number(parts[1]) * (parts[2] === 'sat' ? 1000 : 1)
}

function refundText({ kind, amount, paymentHash }: RefundBody): string {
  if (kind === 'calls') return `gave back ${amount} call${amount === 1 ? '' : 's'} of ${paymentHash}`
  if (kind === 'credit') return `gave back ${amountText(amount)} of credit of ${paymentHash}`
  return `wrote down that ${amountText(amount)} of ${paymentHash} were paid back elsewhere`
}
