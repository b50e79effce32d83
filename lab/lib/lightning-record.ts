/** What the lightning suites found, kept for docs/lightning.md: `LAB_WRITE=1 npm run lab -- lightning`. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** What came of one case of the kit; `null` where it passed, else why it does not apply, or that it failed. */
export type CameOf = null | { readonly notFor: string } | 'failed'

/** One backend that was tested on a real program, in one of its roles. */
export interface TestedKind {
  /** As in `backend: lnd`. */
  readonly backend: string
  readonly role: 'receive' | 'pay'
  /** What it was tested on, with its version. */
  readonly on: string
}

interface LightningRecord {
  readonly kit: Record<string, KitRun>
  readonly pairs: Record<string, { readonly date: string; readonly buys: readonly string[] }>
}

/** One run of the kit. */
interface KitRun extends TestedKind {
  readonly date: string
  readonly cases: Readonly<Record<string, CameOf>>
}

const FILE = new URL('../../docs/data/lightning.json', import.meta.url)
const isWriting = process.env['LAB_WRITE'] === '1'

/** Keeps a whole run of the kit. */
export function recordKit(kind: TestedKind, cases: Readonly<Record<string, CameOf>>): void {
  change((record) => {
    record.kit[`${kind.backend} ${kind.role}`] = { ...kind, date: today(), cases }
  })
}

/** Keeps with which wallets `fare` has bought from a seller. */
export function recordPairs(seller: string, buys: readonly string[]): void {
  change((record) => {
    record.pairs[seller] = { date: today(), buys }
  })
}

function change(by: (record: LightningRecord) => void): void {
  if (!isWriting) return
  // One suite runs after the other.
  const record: LightningRecord = existsSync(FILE)
    ? JSON.parse(readFileSync(FILE, 'utf8'))
    : { kit: {}, pairs: {} }
  by(record)
  writeFileSync(FILE, `${JSON.stringify(record, null, 2)}\n`)
}

const today = (): string => new Date().toISOString().slice(0, 10)
