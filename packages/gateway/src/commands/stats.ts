/** `turnpike stats`: figures of the running gateway, through its admin API. */

import { ADMIN_FLAGS_HELP, adminClient, adminFlags } from '../cli/admin-client.ts'
import { readArguments } from '../cli/arguments.ts'
import { exitCode } from '../cli/exit.ts'
import { formatTable } from '../cli/table.ts'
import type { Command } from './command.ts'
import { amountText, timeText } from './sold.ts'

const help = `turnpike stats [--from TIME] [--to TIME] [--service NAME] [--json]

What was sold in a span of time (default: the last day), and what the running gateway has counted since its start. Asks its
admin API, with the token of admin.tokenFile.

      --from TIME     e.g. 2026-01-31T00:00:00Z; whole hours
      --to TIME       default: now
      --service NAME  of this service alone
${ADMIN_FLAGS_HELP}

Examples:
  turnpike stats
  turnpike stats --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z --json
`

interface StatsBody {
  readonly startedAt: string
  readonly from: string
  readonly to: string
  readonly sales: number
  readonly amountMsat: number
  readonly services: readonly { service: string; route: string; sales: number; amountMsat: number }[]
  readonly counters: Readonly<Record<string, number>>
}

export const statsCommand: Command = {
  summary: 'figures of the running gateway',
  help,
  async run(argv, io) {
    const names = ['from', 'to', 'service'] as const
    const own = Object.fromEntries(names.map((name) => [name, { type: 'string' } as const]))
    const read = readArguments(argv, { ...adminFlags, ...own }, { command: 'stats' })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const stats = (await adminClient(
      read,
      io,
    )({
      path: '/stats',
      query: Object.fromEntries(names.map((name) => [name, read.values.get(name)])),
      failed: 'gave no figures',
    })) as StatsBody
    if (read.flags.has('json')) {
      io.stdout(`${JSON.stringify(stats)}\n`)
      return exitCode.ok
    }
    io.stdout(
      `${timeText(stats.from)} to ${timeText(stats.to)}: ${stats.sales} sale${stats.sales === 1 ? '' : 's'}, ${amountText(stats.amountMsat)}\n`,
    )
    if (stats.services.length > 0)
      io.stdout(
        `\n${formatTable([
          ['SERVICE', 'SALES', 'PAID', 'ROUTE'],
          ...stats.services.map((row) => [
            row.service,
            String(row.sales),
            amountText(row.amountMsat),
            row.route,
          ]),
        ])}`,
      )
    const counted = Object.entries(stats.counters)
    io.stdout(
      `\n${formatTable([['SINCE', timeText(stats.startedAt)], ...counted.map(([name, value]) => [name, String(value)])])}`,
    )
    return exitCode.ok
  },
}
