/** Charts as SVG text, drawn on the server: the page needs no script. Colours come from its style sheet. */

import { formatAmount } from '@turnpike/l402'
import type { Figures, Usage } from './figures.ts'

/** Text safe inside HTML and SVG. */
export function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

const WIDTH = 720

/** Bars by day, with the daily limit as a line where it fits the scale. */
export function dayChart({ days, dayLimitMsat }: Pick<Figures, 'days' | 'dayLimitMsat'>): string {
  const top = 16
  const left = 84
  const height = 180
  const most = days.reduce((max, { msat }) => (msat > max ? msat : max), 0n)
  // A limit near what was spent belongs into the picture; one far above would flatten it.
  const near = dayLimitMsat !== null && dayLimitMsat <= most * 5n ? dayLimitMsat : 0n
  const scale = ceiling(near > most ? near : most)
  const y = (msat: bigint): number => top + height - ratio(msat, scale) * height
  const step = (WIDTH - left) / days.length
  const bars = days.map(({ day, msat }, i) => {
    const at = y(msat)
    const x = (left + i * step + step * 0.15).toFixed(1)
    // The whole column answers to the pointer, also where nothing was spent.
    const hit = `<rect class="hit" x="${(left + i * step).toFixed(1)}" y="${top}" width="${step.toFixed(1)}" height="${height}"/>`
    const bar =
      msat === 0n
        ? ''
        : `<rect class="bar" x="${x}" y="${at.toFixed(1)}" width="${(step * 0.7).toFixed(1)}" height="${Math.max(top + height - at, 1).toFixed(1)}" rx="2"/>`
    return `<g><title>${day}: ${formatAmount(msat)}</title>${hit}${bar}</g>`
  })
  const ticks = [0n, scale / 2n, scale].map(
    (msat) =>
      `<line class="grid" x1="${left}" x2="${WIDTH}" y1="${y(msat).toFixed(1)}" y2="${y(msat).toFixed(1)}"/><text x="${left - 8}" y="${(y(msat) + 4).toFixed(1)}" text-anchor="end">${formatAmount(msat)}</text>`,
  )
  const dates = days.flatMap(({ day }, i) =>
    (days.length - 1 - i) % 7 === 0
      ? [
          `<text x="${(left + (i + 0.5) * step).toFixed(1)}" y="${top + height + 18}" text-anchor="middle">${day.slice(5)}</text>`,
        ]
      : [],
  )
  const limit =
    dayLimitMsat === null || dayLimitMsat > scale
      ? ''
      : `<line class="limit" x1="${left}" x2="${WIDTH}" y1="${y(dayLimitMsat).toFixed(1)}" y2="${y(dayLimitMsat).toFixed(1)}"/>`
  const label = `Spent per day over ${days.length} days, at most ${formatAmount(most)} on one day`
  return svg(top + height + 26, label, [...ticks, ...bars, ...dates, limit].join(''))
}

/** A bar for each host, longest first. */
export function hostChart(hosts: Figures['hosts']): string {
  const most = hosts.reduce((max, { msat }) => (msat > max ? msat : max), 0n)
  const rows = hosts.map(({ host, msat, payments }, i) => {
    const at = i * 30
    const shown = host.length > 34 ? `${host.slice(0, 33)}…` : host
    const width = Math.max(ratio(msat, most) * 300, msat > 0n ? 1 : 0)
    const counted = `${payments} ${payments === 1 ? 'payment' : 'payments'}`
    return `<g><title>${escapeText(host)}: ${formatAmount(msat)}, ${counted}</title><text x="0" y="${at + 18}">${escapeText(shown)}</text><rect class="bar" x="250" y="${at + 5}" width="${width.toFixed(1)}" height="18" rx="2"/><text x="${(258 + width).toFixed(1)}" y="${at + 18}">${formatAmount(msat)} · ${counted}</text></g>`
  })
  return svg(Math.max(hosts.length * 30, 1), 'Spent by host', rows.join(''))
}

/** What is used of each limit. */
export function usageChart(usage: readonly Usage[]): string {
  const rows = usage.map(({ name, usedMsat, limitMsat }, i) => {
    const at = i * 30
    const part = limitMsat === 0n ? 1 : Math.min(ratio(usedMsat, limitMsat), 1)
    const state = part >= 1 ? 'full' : part >= 0.8 ? 'near' : 'bar'
    const percent = `${Math.floor(part * 100)} %`
    return `<g><text x="0" y="${at + 18}">${escapeText(name)}</text><rect class="track" x="250" y="${at + 5}" width="200" height="18" rx="2"/><rect class="${state}" x="250" y="${at + 5}" width="${(part * 200).toFixed(1)}" height="18" rx="2"/><text x="458" y="${at + 18}">${percent} · ${formatAmount(usedMsat)} of ${formatAmount(limitMsat)}</text></g>`
  })
  return svg(Math.max(usage.length * 30, 1), 'Limits and what is used of them', rows.join(''))
}

function svg(height: number, label: string, content: string): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeText(label)}">${content}</svg>`
}

function ratio(part: bigint, whole: bigint): number {
  return whole === 0n ? 0 : Number((part * 10_000n) / whole) / 10_000
}

/** The next of 2, 4, 10, 20, 40 … sat that is not below: half of it is round too. */
function ceiling(msat: bigint): bigint {
  for (let power = 1_000n; ; power *= 10n)
    for (const step of [2n, 4n, 10n]) if (power * step >= msat) return power * step
}
