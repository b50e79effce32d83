/** `budget`, `history`, `tokens`: what a purse shows to an agent. No macaroon, no preimage, no setting (rule C10). */

import type { McpServer } from '@modelcontextprotocol/server'
import { encodeHex, formatAmount } from '@turnpike/l402'
import { shownCaveatsOf } from '@turnpike/l402/client'
import { z } from 'zod'
import { entriesOf } from '../books/entries.ts'
import { timeText } from '../cli/text.ts'
import { openSession } from '../session.ts'
import type { Desk } from './desk.ts'
import { answer, shown } from './results.ts'
import { BUDGET_RESULT, HISTORY_RESULT, TOKENS_RESULT } from './shapes.ts'

const READ_ONLY = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false }

/** Registers them. */
export function registerBooks(server: McpServer, { settings, calls }: Desk): void {
  const { env, maxMsat, askAboveMsat, noPay } = settings

  server.registerTool(
    'budget',
    {
      title: 'Budget',
      description:
        'Limits in force and what has been spent. Only a person can change them, with fare budget set.',
      inputSchema: z.object({}),
      outputSchema: BUDGET_RESULT,
      annotations: READ_ONLY,
    },
    async () => {
      const session = openSession(env)
      try {
        const { overall, hosts } = await session.purse.budget()
        const spent = await session.purse.spent()
        const left = { maxMsat: maxMsat ?? null, spentMsat: calls.spentMsat }
        const paying = !noPay && maxMsat !== 0n
        return answer(
          { overall, hosts, spent, session: left, askAboveMsat: askAboveMsat ?? null, paying },
          {
            text: `Spent: ${formatAmount(spent.hourMsat)} in the last hour, ${formatAmount(spent.dayMsat)} in the last day, ${formatAmount(spent.totalMsat)} in all. Per request at most ${overall.requestMsat === undefined ? 'no limit' : formatAmount(overall.requestMsat)}.`,
          },
        )
      } finally {
        await session.close()
      }
    },
  )

  server.registerTool(
    'history',
    {
      title: 'Payments',
      description: 'Purchases and what became of them, newest first.',
      inputSchema: z.object({ limit: z.number().int().min(1).max(100).optional().describe('Default 20.') }),
      outputSchema: HISTORY_RESULT,
      annotations: READ_ONLY,
    },
    async ({ limit = 20 }) => {
      const session = openSession(env)
      try {
        const payments = (await entriesOf(session.purse, limit)).map((one) => {
          const { origin, pathname } = new URL(one.url)
          return {
            paymentHash: encodeHex(one.paymentHash),
            at: timeText(one.createdAtMs),
            // A query may hold what is nobody's business.
            request: shown(`${one.method} ${origin}${pathname}`),
            amountMsat: one.amountMsat,
            feeMsat: one.feeMsat,
            state: one.state,
            writtenOff: one.writtenOff,
            served: one.served,
            lastStatus: one.lastStatus === 0 ? null : one.lastStatus,
          }
        })
        return answer({ payments })
      } finally {
        await session.close()
      }
    },
  )

  server.registerTool(
    'tokens',
    {
      title: 'Tokens',
      description:
        'What was bought and is kept: fetch uses it by itself. Ids only, never the tokens themselves.',
      inputSchema: z.object({ origin: z.string().max(512).optional().describe('Of this origin only.') }),
      outputSchema: TOKENS_RESULT,
      annotations: READ_ONLY,
    },
    async ({ origin }) => {
      const session = openSession(env)
      try {
        const tokens = (await session.purse.credentials(origin)).slice(0, 100).map((one) => ({
          id: one.id,
          origin: one.origin,
          boughtFor: shown(one.boughtFor),
          boughtAt: timeText(one.createdAtMs),
          costMsat: one.costMsat,
          caveats: shownCaveatsOf(one.macaroon).map((caveat) => shown(caveat)),
        }))
        return answer({ tokens })
      } finally {
        await session.close()
      }
    },
  )
}
