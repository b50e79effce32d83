/**
 * `npm run docs`: writes the pages of `docs/` that are made from the code's own tables. With `--check` it writes nothing
 * and fails where a committed page differs.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configurationPage } from './docs/configuration.ts'
import { errorsPage } from './docs/errors.ts'
import { fromAperturePage } from './docs/from-aperture.ts'
import { interoperabilityPage } from './docs/interoperability.ts'
import { lightningPage } from './docs/lightning.ts'
import { fareManual } from './docs/manual.ts'
import { packagesPage } from './docs/packages.ts'

/** Each makes its page; it may look at the committed one. */
const pages: Readonly<Record<string, (before: string | undefined) => string | Promise<string>>> = {
  'docs/configuration.md': configurationPage,
  'docs/errors.md': errorsPage,
  'docs/from-aperture.md': fromAperturePage,
  'docs/interoperability.md': interoperabilityPage,
  'docs/lightning.md': lightningPage,
  'docs/packages.md': packagesPage,
  'packages/fare/man/fare.1': fareManual,
}

const check = process.argv.includes('--check')
for (const [path, make] of Object.entries(pages)) {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url))
  const before = read(file)
  const text = await make(before)
  if (before === text) continue
  if (check) {
    console.log(`${path} is not what its tables say: run \`npm run docs\` and commit it`)
    process.exitCode = 1
  } else {
    writeFileSync(file, text)
    console.log(`wrote ${path}`)
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
