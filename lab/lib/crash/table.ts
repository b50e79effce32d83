/** What a lane came to, for people. */

import type { LaneResult } from './lane.ts'
import type { KindVerdict } from './verdict.ts'

/** Lines of text. */
export function table(name: string, { kills, counts, repeats, kinds, leftOver, faults }: LaneResult): string {
  const { requests, served, replayed, cut, answered, seen, refused, bought, toppedUp, purchasesCut } = counts
  const sum = (pick: (kind: KindVerdict) => bigint): string =>
    String(kinds.reduce((all, each) => all + pick(each), 0n))
  const rows = [
    ['', 'granted', 'used', 'of it cut', 'loss', 'over', 'free', 'lost', 'miscredited'],
    ...kinds.map(({ kind, unit, budgets, ...of }) => [
      `${budgets} × ${kind} (${unit})`,
      ...[of.granted, of.used, of.cut, of.written, of.over, of.free, of.lost, of.miscredited].map(String),
    ]),
  ]
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  )
  return [
    `${name}: ${kills} kills; ${requests} requests: ${served} served, ${cut} cut (${answered} when the upstream had begun to answer, ${seen} when the client had seen some of it), ` +
      `${refused} refused as used up, ${replayed} replayed; ${bought} purchases, ${toppedUp} of them top-ups, ${purchasesCut} more cut`,
    ...lines,
    `must be 0: ${sum(({ over }) => over)} granted twice, ${sum(({ free }) => free)} free, ${sum(({ lost }) => lost)} lost, ` +
      `${sum(({ miscredited }) => BigInt(miscredited))} accounts miscredited, ${leftOver} reservations left over, ` +
      `${repeats.executedAgain} of ${repeats.answered} answered keys (${repeats.lost} as lost) executed again, ${repeats.notReplayed} repeats not replayed, ` +
      `${faults.length} other contradictions`,
  ].join('\n')
}
