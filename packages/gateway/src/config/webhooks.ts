/** `webhooks`: who is told of sales, and how the messages are signed. */

import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { CommandError, exitCode } from '../cli/exit.ts'
import { oneOf, text } from './values.ts'

/** The events that receivers can be told of. */
export const WEBHOOK_EVENTS = ['settled', 'redeemed', 'exhausted', 'refunded'] as const

/** One of {@link WEBHOOK_EVENTS}. */
type WebhookEvent = (typeof WEBHOOK_EVENTS)[number]

/** One receiver. */
export interface WebhookConfig {
  readonly url: string
  /** Absolute. */
  readonly secretFile: string
  readonly events: readonly WebhookEvent[]
}

const EXPECTED_URL = 'an http or https address without user, password or fragment'
const EXPECTED = 'a receiver such as { url: https://example.com/hook, secretFile: hook.secret }'

const webhookUrl = z
  .string({ error: () => EXPECTED_URL })
  .refine((value) => isReceiver(value), { error: () => `not a receiver, expected ${EXPECTED_URL}` })

function isReceiver(value: string): boolean {
  const url = /^https?:\/\//i.test(value) ? URL.parse(value) : null
  return url !== null && url.username === '' && url.password === '' && url.hash === ''
}

/** One receiver in the file. */
export const webhookSchema = z.strictObject(
  {
    url: webhookUrl.describe('Where messages about sales are posted to.'),
    secretFile: text('a file name').describe(
      'File (0600) with the secret that messages are signed with, whsec_ and base64; a second line is signed with too.',
    ),
    events: z
      .array(oneOf(WEBHOOK_EVENTS), { error: () => 'a list of events' })
      .min(1, { error: () => 'at least one event' })
      .optional()
      .describe('Which events are told of: settled, redeemed, exhausted, refunded. Default: all of them.'),
  },
  { error: (issue) => (issue.code === 'unrecognized_keys' ? 'url secretFile events' : EXPECTED) },
)

/** The receivers of a configuration. */
export function readWebhooks(
  found: readonly z.infer<typeof webhookSchema>[] | undefined,
  folder: string,
): readonly WebhookConfig[] {
  return (found ?? []).map(({ url, secretFile, events = WEBHOOK_EVENTS }) => ({
    url: new URL(url).href,
    secretFile: resolve(folder, secretFile),
    events: [...new Set(events)],
  }))
}

const MAX_SECRET_FILE_BYTES = 4_096
const EXPECTED_SECRET = 'expected one line "whsec_<base64 of 24 to 64 bytes>", or two'

/** The secrets of a receiver, the first one first. Throws {@link CommandError} with exit code 78; never shows one. */
export function readWebhookSecrets(file: string): readonly Uint8Array[] {
  const fault = (what: string): CommandError => new CommandError(exitCode.config, `${file}: ${what}`)
  let content: string
  try {
    const { mode, size } = statSync(file)
    if (size > MAX_SECRET_FILE_BYTES) throw fault(`too large, ${EXPECTED_SECRET}`)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw fault(`others may read or change this secret (mode ${(mode & 0o777).toString(8)}), expected 0600`)
    content = readFileSync(file, 'latin1')
  } catch (error) {
    if (error instanceof CommandError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    throw fault(
      `cannot be read (${code}), expected a webhook secret. Make one: (umask 077; echo "whsec_$(openssl rand -base64 32)" > FILE)`,
    )
  }
  const secrets = content
    .split(/\s+/)
    .filter((line) => line !== '')
    .map((line) => {
      const base64 = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(line)?.[1] ?? ''
      const bytes = Buffer.from(base64, 'base64')
      if (bytes.length < 24 || bytes.length > 64) throw fault(`not a webhook secret, ${EXPECTED_SECRET}`)
      return new Uint8Array(bytes)
    })
  if (secrets.length < 1 || secrets.length > 2) throw fault(`not a webhook secret, ${EXPECTED_SECRET}`)
  return secrets
}
