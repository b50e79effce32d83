/** What `LAB_WRITE=1 npm run lab -- lightning` found, for `docs/lightning.md`. */

import { existsSync, readFileSync } from 'node:fs'
import { type BackendKind, backendKinds } from '@turnpike/l402/lightning/kinds'
import { table } from './table.ts'

interface KitRun {
  readonly backend: string
  readonly role: 'receive' | 'pay'
  readonly on: string
  readonly date: string
  /** `null` for a case that passed. */
  readonly cases: Readonly<Record<string, null | 'failed' | { readonly notFor: string }>>
}

interface LightningRecord {
  readonly kit: Readonly<Record<string, KitRun>>
  readonly pairs: Readonly<Record<string, { readonly date: string; readonly buys: readonly string[] }>>
}

const FILE = new URL('../../docs/data/lightning.json', import.meta.url)
const record: LightningRecord = existsSync(FILE)
  ? JSON.parse(readFileSync(FILE, 'utf8'))
  : { kit: {}, pairs: {} }

/** The cell of the support table: the program and the day, or that there was none. */
export function testedOn({ name, tested }: BackendKind, role: KitRun['role']): string {
  const run = record.kit[`${name} ${role}`]
  if (run === undefined) return tested === 'real' ? 'programs of the unit tests' : '*fixture only*'
  const failed = Object.values(run.cases).filter((came) => came === 'failed').length
  return `${run.on}, ${run.date}${failed > 0 ? `: **${failed} cases failed**` : ''}`
}

/** Which cases of the kit passed on which real program. */
export function foundByKit(): string {
  const runs = backendKinds.flatMap(({ name }) =>
    (['receive', 'pay'] as const).flatMap((role) => record.kit[`${name} ${role}`] ?? []),
  )
  const names = [...new Set(runs.flatMap(({ cases }) => Object.keys(cases)))]
  const heads = runs.map(({ backend, role }) => `\`${backend}\` ${role === 'receive' ? 'sells' : 'buys'}`)
  const rows = names.map((name) => [name, ...runs.map(({ cases }) => cell(cases[name]))])
  const sums = runs.map(({ cases }) => {
    const passed = Object.values(cases).filter((came) => came === null).length
    return `${passed} of ${Object.values(cases).filter(applies).length}`
  })
  return `What the cases of the kit said on the programs and days of the table above; – where one does not apply to that backend, in that
role, or cannot be tried there.\n
${table(['it …', ...heads], [...rows, ['**passed**', ...sums]])}\n`
}

/** Which wallet has bought from which seller. */
export function foundByPairs(): string {
  const entries = Object.entries(record.pairs)
  const wallets = [...new Set(entries.flatMap(([, { buys }]) => buys))]
  const rows = entries.map(([seller, { date, buys }]) => [
    seller === 'Aperture' ? 'the real Aperture' : `a gateway with \`${seller}\``,
    ...wallets.map((wallet) => (buys.includes(wallet) ? 'buys' : '–')),
    date,
  ])
  const heads = wallets.map((wallet) => `\`fare\` with \`${wallet}\``)
  return `Whole purchases over real channels:\n\n${table(['from', ...heads, 'on'], rows)}\n`
}

const applies = (came: KitRun['cases'][string] | undefined): boolean => came === null || came === 'failed'

function cell(came: KitRun['cases'][string] | undefined): string {
  return came === null ? 'yes' : came === 'failed' ? '**no**' : '–'
}
