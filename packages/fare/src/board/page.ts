import { formatAmount } from '@turnpike/l402'
import { stateText } from '../books/entries.ts'
import { costMsatOf, taskOf } from '../books/filters.ts'
import { timeText } from '../cli/text.ts'
import { dayChart, escapeText, hostChart, usageChart } from './charts.ts'
import { DAYS, type Figures } from './figures.ts'

const STYLE = `
:root { color-scheme: light dark; --ink: #1d2329; --soft: #5b6570; --ground: #fff; --line: #dfe3e8; --bar: #2a6fb0; --near: #b26a00; --full: #b3261e; --track: #eceff3 }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaee; --soft: #9aa5b1; --ground: #14181d; --line: #2c343d; --bar: #6aabe6; --near: #e0a34a; --full: #f2857d; --track: #242b33 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 780px; padding: 24px 20px 48px; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 22px; margin: 0 } h2 { font-size: 16px; margin: 32px 0 8px }
p { margin: 4px 0; color: var(--soft) }
dl { display: flex; flex-wrap: wrap; gap: 8px 32px; margin: 20px 0 0 } dt { color: var(--soft); font-size: 13px } dd { margin: 0; font-size: 20px }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink) }
.grid { stroke: var(--line) } .limit { stroke: var(--full); stroke-dasharray: 4 4 }
.bar { fill: var(--bar) } .near { fill: var(--near) } .full { fill: var(--full) } .track { fill: var(--track) } .hit { fill: transparent } g:hover .hit { fill: var(--track) }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: 13px } th { text-align: left; color: var(--soft); font-weight: 600 } th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); white-space: nowrap } td.n, th.n { text-align: right } td.t { max-width: 210px; overflow: hidden; text-overflow: ellipsis } .bad { color: var(--full) } .open { color: var(--near) }
`

/** The page. Holds no script, and asks nobody else for anything. */
export function boardPage(
  shown: Figures,
  { nonce, nowMs }: { readonly nonce: string; readonly nowMs: number },
): string {
  const { summary, hosts, usage, latest } = shown
  const facts = [
    ['spent or held', formatAmount(summary.spentMsat)],
    ...shown.fiat.map(({ currency, amount }) => [`in ${currency}, at the time`, money(amount)]),
    ['payments', String(summary.payments)],
    ['served', String(summary.served)],
    ['for each answer', summary.msatPerServed === null ? '–' : formatAmount(summary.msatPerServed)],
  ]
  const none = '<p>No payments yet.</p>'
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fare board</title>
<style nonce="${nonce}">${STYLE}</style>
<h1>fare</h1>
<p>The last ${DAYS} days, fees included. As of ${timeText(nowMs)}; reload for newer figures. Nothing can be changed here.</p>
<dl>${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('')}</dl>
<h2>By day (UTC)${shown.dayLimitMsat === null ? '' : `, limit ${formatAmount(shown.dayLimitMsat)} a day`}</h2>
${dayChart(shown)}
<h2>By host</h2>
${hosts.length === 0 ? none : hostChart(hosts)}
<h2>Budget</h2>
${usage.length === 0 ? '<p>No limits over time are set; fare budget set sets them.</p>' : usageChart(usage)}
<h2>Latest payments</h2>
${latest.length === 0 ? none : latestTable(latest)}
</html>
`
}

function latestTable(latest: Figures['latest']): string {
  const tagged = latest.some((record) => taskOf(record) !== '')
  const priced = latest.some(({ fiat }) => fiat !== null)
  const rows = latest.map((record) => {
    const { createdAtMs, state, served, host, method, url } = record
    const lost = state === 'settled' && served === 'not_served'
    const kind = lost ? 'bad' : state === 'settled' || state === 'failed' ? '' : 'open'
    const said = state === 'settled' ? served.replace('_', ' ') : stateText(record)
    const texts = [host, `${method} ${new URL(url).pathname}`, ...(tagged ? [taskOf(record)] : [])]
    const cells = texts.map((text) => `<td class="t" title="${escapeText(text)}">${escapeText(text)}</td>`)
    const fiat = record.fiat && `${record.fiat.amount} ${record.fiat.currency}`
    const worth = priced ? `<td class="n">${escapeText(fiat ?? '–')}</td>` : ''
    return `<tr><td>${timeText(createdAtMs)}</td><td class="n">${formatAmount(costMsatOf(record))}</td>${worth}<td class="${kind}">${said}</td>${cells.join('')}</tr>`
  })
  const task = tagged ? '<th>Task</th>' : ''
  return `<div class="wide"><table><tr><th>Time</th><th class="n">Cost</th>${priced ? '<th class="n">Worth</th>' : ''}<th>State</th><th>Host</th><th>For</th>${task}</tr>${rows.join('')}</table></div>`
}

/** An amount of money with the two digits that people read; more where it is less than a cent. */
function money(amount: string): string {
  return Number(amount) >= 0.01 ? Number(amount).toFixed(2) : amount
}
