/** A journal whose owner is somewhere else: another thread, another process. What goes over is plain data. */

import { L402Error } from '../../core/errors.ts'
import type { Journal } from '../journal.ts'

/** One call. */
export interface JournalCall {
  readonly method: keyof Journal
  readonly args: readonly unknown[]
}

/** What came of it. */
export type JournalReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string }

const METHODS: Readonly<Record<keyof Journal, true>> = {
  note: true,
  revoked: true,
  refund: true,
  refundApplied: true,
  pendingRefunds: true,
  refundsOf: true,
  sale: true,
  sales: true,
  token: true,
  tokens: true,
  hours: true,
  audit: true,
  audits: true,
  take: true,
  nextDueMs: true,
  delivered: true,
  postpone: true,
  deadLetters: true,
  redeliver: true,
  outbox: true,
  keepOpen: true,
  openSale: true,
  openSales: true,
  forgetOpen: true,
  nodeCursor: true,
  keepNodeCursor: true,
  prune: true,
  close: true,
}

/** A journal that passes every call on; `ask` throws `store_unavailable` where nobody answers. */
export function remoteJournal(ask: (call: JournalCall) => Promise<JournalReply>): Journal {
  const call =
    (method: keyof Journal) =>
    async (...args: readonly unknown[]): Promise<unknown> => {
      const reply = await ask({ method, args })
      if (reply.ok) return reply.value
      const code = reply.code === 'store_incompatible' ? 'store_incompatible' : 'store_unavailable'
      throw new L402Error(code, reply.message)
    }
  const names = Object.keys(METHODS) as (keyof Journal)[]
  return Object.fromEntries(names.map((name) => [name, call(name)])) as unknown as Journal
}

/** Answers a call; never throws. */
export async function answerCall(journal: Journal, { method, args }: JournalCall): Promise<JournalReply> {
  try {
    if (!Object.hasOwn(METHODS, method)) throw new TypeError('not a method of a journal')
    const work = journal[method] as (...args: readonly unknown[]) => Promise<unknown>
    return { ok: true, value: await work.apply(journal, [...args]) }
  } catch (error) {
    const code = error instanceof L402Error ? error.code : 'store_unavailable'
    return { ok: false, code, message: error instanceof Error ? error.message : String(error) }
  }
}
