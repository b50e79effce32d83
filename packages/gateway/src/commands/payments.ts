/** `turnpike payments`: what came in, through the admin API of the running gateway. */

import { ADMIN_FLAGS_HELP, adminClient, adminFlags } from '../cli/admin-client.ts'
import { readArguments } from '../cli/arguments.ts'
import { exitCode } from '../cli/exit.ts'
import { formatTable } from '../cli/table.ts'
import type { Command } from './command.ts'
import { amountText, type PaymentBody, timeText } from './sold.ts'

const help = `turnpike payments [--service NAME] [--state STATE] [--search HEX] [--limit N] [--cursor C] [--json]

Payments, the newest first. Asks the admin API of the running gateway, with the token of admin.tokenFile.

      --service NAME  for this service alone
      --state STATE   settled, redeemed, exhausted, refunded or revoked
      --search HEX    payment hashes that begin so
      --limit N       at most so many, 1 to 1000 (default 50); --cursor goes on where the last page ended
${ADMIN_FLAGS_HELP}

Examples:
  turnpike payments --service weather --limit 10
  turnpike payments --state exhausted --json
`

const FILTERS = ['service', 'state', 'search', 'limit', 'cursor'] as const

export const paymentsCommand: Command = {
  summary: 'what came in',
  help,
  async run(argv, io) {
    const filters = Object.fromEntries(FILTERS.map((name) => [name, { type: 'string' } as const]))
    const read = readArguments(argv, { ...adminFlags, ...filters }, { command: 'payments' })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const page = (await adminClient(
      read,
      io,
    )({
      path: '/payments',
      query: Object.fromEntries(FILTERS.map((name) => [name, read.values.get(name)])),
      failed: 'did not list them',
    })) as { items: readonly PaymentBody[]; next: string | null }
    if (read.flags.has('json')) {
      io.stdout(`${JSON.stringify(page)}\n`)
      return exitCode.ok
    }
    if (page.items.length === 0) io.stderr('no payment fits\n')
    else
      io.stdout(
        formatTable([
          ['PAID AT', 'AMOUNT', 'STATE', 'PAYMENT HASH', 'SERVICE', 'ROUTE'],
          ...page.items.map((payment) => [
            timeText(payment.settledAt),
            amountText(payment.amountMsat),
            payment.state,
            payment.paymentHash,
            payment.service,
            payment.route,
          ]),
        ]),
      )
    if (page.next !== null) io.stderr(`there are more: --cursor ${page.next}\n`)
    return exitCode.ok
  },
}
