/** `docs/packages.md`: what is installed, and how large each import is in a bundle. */

import { bundle, entries } from '../bundles.ts'
import { table } from './table.ts'

/** What a size on the page may be off by before it is written anew. */
const SLACK_KIB = 1

/**
 * The page's text. Whole KiB, and a size that stands on the page already stays while it is right to within one: compressors differ
 * by some bytes from one Node to the next, and no page changes with every line of code.
 */
export async function packagesPage(before: string | undefined): Promise<string> {
  const rows: (readonly string[])[] = []
  for (const entry of entries) {
    const made = await bundle(entry)
    const label = entry.imported === '*' ? 'all of it' : `\`${entry.imported}\``
    const stated = statedIn(before, `| \`${entry.from}\` | ${label} | `)
    rows.push([
      `\`${entry.from}\``,
      label,
      String(statedSize(made.minifiedKiB, stated[0])),
      String(statedSize(made.gzipKiB, stated[1])),
      String(entry.budgetGzipKiB),
    ])
  }
  return `${HEAD}${table(['import', 'of it', 'minified, KiB', 'gzip, KiB', 'gzip, at most'], rows)}\n`
}

/** What the page says of a measured size, in whole KiB, given what it says so far. */
export function statedSize(measuredKiB: number, before: number | undefined): number {
  const isRight = before !== undefined && Math.abs(before - measuredKiB) <= SLACK_KIB
  return isRight ? before : Math.round(measuredKiB)
}

/** The two sizes in the row that begins like this. */
function statedIn(page: string | undefined, start: string): readonly number[] {
  const line = page?.split('\n').find((each) => each.startsWith(start))
  const sizes = line === undefined ? null : /^(\d+) \| (\d+) \|/.exec(line.slice(start.length))
  return sizes === null ? [] : [Number(sizes[1]), Number(sizes[2])]
}

const HEAD = `# Packages

| package | what | for |
| --- | --- | --- |
| \`@turnpike/l402\` | the library: paywall, adapters, paying \`fetch\`, Lightning backends, stores | Node ≥ 20.19, Bun, Workers, browsers; SQLite stores Node ≥ 22.13 |
| \`turnpike\` | the seller's gateway, \`turnpike\` | Node ≥ 22.13 |
| \`@turnpike/fare\` | the buyer's purse, \`fare\` | Node ≥ 22.13 |

\`npm install @turnpike/l402\` brings the packages by noble and scure for hashes, curves and encodings, and \`qr\`. Frameworks, database drivers and Lightning
clients are the app's own: optional peer dependencies, which an import asks for where it needs them.

## Sizes

Made by \`npm run docs\`: each import bundled by esbuild as an app would, with what it brings along but not the framework it is for.
What is not imported is not in the bundle. Sizes are rounded, and right to within 1 KiB; \`npm run check\` fails where one is over its
bound, where a \`node:\` module comes along that must not, or where a layer does that has no business there.

`
