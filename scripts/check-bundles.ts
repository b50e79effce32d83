/**
 * Bundles each portable entry as a browser would and checks what came along: no `node:` module, nothing of a layer that
 * must not be there ("bleed"), and no more bytes than the budget.
 */
import { bundle, entries } from './bundles.ts'

let failures = 0
for (const entry of entries) {
  const { name, budgetGzipKiB } = entry
  const made = await bundle(entry).catch((error: Error) => {
    console.log(`FAILED ${name}: ${error.message}`)
    return undefined
  })
  if (made === undefined || made.problems.length > 0) failures++
  if (made === undefined) continue
  const size = `${made.gzipKiB.toFixed(1)} of ${budgetGzipKiB} KiB gzip`
  console.log(
    `${made.problems.length === 0 ? 'ok    ' : 'FAILED'} ${name}: ${size}${made.problems.map((p) => `; ${p}`).join('')}`,
  )
}
process.exit(failures === 0 ? 0 : 1)
