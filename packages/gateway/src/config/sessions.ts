/** `sessions`: deposits of the Payment scheme that requests draw on, and the wallet that pays back what is left of them. */

import { resolve } from 'node:path'
import { checkSettings, findKind, kindsFor, settingKeys } from '@turnpike/l402/lightning/kinds'
import { z } from 'zod'
import type { LightningConfig } from './config.ts'
import type { ConfigIssue } from './issue.ts'
import { section } from './section.ts'
import { amount, flag, timerDuration } from './values.ts'
import type { YamlSource } from './yaml-source.ts'

const EXPECTED =
  'off, or a table such as { idleTimeout: 5m, pin: false, maxBalance: 100000 sat, refunds: { backend: lnd, … } }'

const sessionsSection = section(EXPECTED, {
  idleTimeout: timerDuration
    .optional()
    .describe('How long nobody may use a session before it is closed and paid back. Default 5m.'),
  pin: flag
    .optional()
    .describe(
      'Whether a session is opened by its first challenge alone. Without it a node that forwarded the deposit could spend what is on it; with it clients that answer each 402 with its own challenge cannot use theirs. Default false.',
    ),
  maxBalance: amount.optional().describe('Most that a session without pin may hold. Default 100000 sat.'),
  refunds: z
    .unknown()
    .optional()
    .describe(
      'The wallet that pays back: a table with a backend and its settings, as for fare wallet add. Default: nothing is paid back, and what is left stays on the balance for the L402 credential.',
    ),
})

/** `sessions`. */
export const sessionsSchema = z.union([z.literal('off'), sessionsSection], { error: () => EXPECTED })

/** What sessions are like; plain data. */
export interface SessionsConfig {
  readonly idleTimeoutSeconds: number
  readonly pin: boolean
  readonly mostMsat: bigint
  /** `undefined`: nothing is paid back. */
  readonly refunds: LightningConfig | undefined
}

/** The section, filled in; `undefined` where there are no sessions. What is wrong is pushed. */
export function readSessions(
  source: YamlSource,
  {
    given,
    folder,
    sandbox,
  }: {
    readonly given: z.output<typeof sessionsSchema> | undefined
    readonly folder: string
    /** Play money, which no wallet outside pays back: the file says so, or whoever runs it. */
    readonly sandbox: boolean | 'told'
  },
  issues: ConfigIssue[],
): SessionsConfig | undefined {
  if (given === 'off') return undefined
  const { idleTimeout = 300, pin = false, maxBalance = 100_000_000n } = given ?? {}
  const refunds = sandbox === 'told' ? undefined : readRefunds(source, folder, issues)
  if (sandbox === true && refunds !== undefined)
    issues.push({
      position: refunds.position,
      message: 'sessions.refunds: the sandbox is play money, expected no wallet that pays it back',
    })
  return { idleTimeoutSeconds: idleTimeout, pin, mostMsat: maxBalance, refunds }
}

const PATH = ['sessions', 'refunds'] as const

function readRefunds(source: YamlSource, folder: string, issues: ConfigIssue[]): LightningConfig | undefined {
  const value = source.get([...PATH])
  if (value === undefined) return undefined
  const position = source.locate([...PATH])
  const wrong = (message: string, key?: string): undefined => {
    const at = key === undefined ? position : source.locate([...PATH, key])
    issues.push({ position: at, message: `sessions.refunds: ${message}` })
    return undefined
  }
  const able = kindsFor('pay').filter(({ pays }) => pays?.paysAnyAmount === true)
  const expected = `expected a table with "backend" (${able.map(({ name }) => name).join(', ')}) and its settings`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong(expected)
  const { backend, ...rest } = value as Record<string, unknown>
  const kind = typeof backend === 'string' ? findKind(backend, 'pay') : undefined
  if (kind === undefined) return wrong(expected)
  if (kind.pays?.paysAnyAmount !== true)
    return wrong(`the backend "${kind.name}" pays no invoices without an amount, ${expected}`)
  let sound = true
  for (const { key, message } of checkSettings(kind, 'pay', rest)) {
    wrong(message, key)
    sound = false
  }
  if (!sound) return undefined
  const settings: Record<string, string> = {}
  for (const { key, type } of settingKeys(kind, 'pay')) {
    const text = rest[key]
    if (text !== undefined) settings[key] = type === 'file' ? resolve(folder, String(text)) : String(text)
  }
  return { backend: kind.name, settings, position }
}
