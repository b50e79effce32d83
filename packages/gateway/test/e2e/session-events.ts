/** Event streams on sessions, as their tests write and read them. */

import { expect } from 'vitest'
import { ask } from './client.ts'
import type { Program } from './program.ts'
import { act, type Deposit, deposit, lineOf } from './session-client.ts'

/** The events of these numbers. */
export function events(from: number, to: number): string {
  let text = ''
  for (let n = from; n <= to; n++) text += `data: ${n}\n\n`
  return text
}

/** The numbers of the events in a text. */
export function dataOf(text: string): string[] {
  return [...text.matchAll(/^data: (\d+)$/gm)].map(([, n]) => n ?? '')
}

/** What the session's own events of a name say. */
export function said(text: string, name: string): Record<string, unknown>[] {
  return [...text.matchAll(new RegExp(`^event: ${name}\\ndata: (.*)$`, 'gm'))].map(([, json]) =>
    JSON.parse(json ?? ''),
  )
}

/** What a session's balance holds. */
export async function creditAt(
  gateway: Pick<Program, 'url'>,
  { challenge, preimage, sessionId }: Deposit,
): Promise<{ creditedMsat: number; leftMsat: number }> {
  const line = lineOf(challenge, { action: 'bearer', sessionId, preimage })
  const found = await ask(gateway.url, 'GET', '/.well-known/l402/balance', {
    headers: { Authorization: line },
  })
  return JSON.parse(found.body).services[0].credit
}

/** Pays another deposit of the same kind into a session. */
export async function topUpAt(
  gateway: Pick<Program, 'url' | 'admin'>,
  { sessionId }: Deposit,
  path: string,
): Promise<void> {
  const more = await deposit(gateway, { path })
  const payload = { action: 'topUp', sessionId, topUpPreimage: more.preimage }
  const answered = await act(gateway, { path }, { challenge: more.challenge, payload })
  expect([answered.status, answered.body]).toEqual([200, '{"status":"ok"}'])
}
