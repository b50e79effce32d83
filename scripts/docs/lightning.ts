/** `docs/lightning.md`: the support table out of the capability flags, and a section per backend out of its settings. */

import { readFileSync } from 'node:fs'
import { type BackendKind, backendKinds, settingKeys } from '@turnpike/l402/lightning/kinds'
import { foundByKit, foundByPairs, testedOn } from './lightning-record.ts'

const yes = (value: boolean | undefined): string => (value ? 'yes' : 'no')

function sellsRow(kind: BackendKind): string {
  const { name, title, receives } = kind
  if (receives === undefined) return ''
  const { exactMsat, looksUp, subscribes, cancels, holds } = receives
  const cells = [`\`${name}\``, title, exactMsat ? 'msat' : 'sat, rounded up']
  return row([...cells, yes(looksUp), yes(subscribes), yes(cancels), yes(holds), testedOn(kind, 'receive')])
}

function paysRow(kind: BackendKind): string {
  const { name, title, pays } = kind
  if (pays === undefined) return ''
  const { returnsPreimage, capsFees, looksUp } = pays
  return row([`\`${name}\``, title, yes(returnsPreimage), yes(capsFees), yes(looksUp), testedOn(kind, 'pay')])
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
const table = (head: readonly string[], rows: readonly string[]): string =>
  row(head) + row(head.map(() => '---')) + rows.join('')

function settingsOf(kind: BackendKind): string {
  const rows = kind.settings.map((setting) => {
    const { required, only, what } = setting
    const roles = (['receive', 'pay'] as const).filter((role) => only === undefined || only === role)
    const keys = settingKeys(kind, roles[0] ?? 'pay')
      .filter((key) => key.setting === setting)
      .map(({ key }) => `\`${key}\``)
    const who = only === undefined ? '' : only === 'pay' ? 'wallets' : 'sellers'
    return row([keys.join(' or '), what, required ? 'yes' : '', who])
  })
  return table(['key', 'what', 'required', 'only'], rows)
}

/** The page's text. The prose stands in a file of its own, one part per backend. */
export function lightningPage(): string {
  const prose = readFileSync(new URL('./lightning-prose.md', import.meta.url), 'utf8')
  const [intro = '', ...sections] = prose.split(/^## /m)
  const byName = new Map(sections.map((text) => [text.slice(0, text.indexOf('\n')).trim(), text] as const))
  const sells = [
    '`backend`',
    'what',
    'exact to',
    'looks up',
    'tells of settlements',
    'cancels',
    'hold invoices',
    'tested on',
  ]
  const pays = [
    '`--backend`',
    'what',
    'gives preimages',
    'holds a fee limit',
    'finds payments again',
    'tested on',
  ]
  const parts = backendKinds.map((kind) => {
    const text = byName.get(kind.name)
    if (text === undefined) throw new Error(`lightning-prose.md has no part "${kind.name}"`)
    const body = text.slice(text.indexOf('\n') + 1).trim()
    return `## ${kind.title} (\`${kind.name}\`)\n\n${body}\n\n${settingsOf(kind)}`
  })
  return `${intro.trim()}

## What they can do

Sellers (\`lightning:\` in \`turnpike.yaml\`):

${table(sells, backendKinds.map(sellsRow))}
Buyers (\`fare wallet add\`):

${table(pays, backendKinds.map(paysRow))}
## What was found on real programs

${foundByKit()}
${foundByPairs()}
${parts.join('\n')}`
}
