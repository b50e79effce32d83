import { readFileSync } from 'node:fs'
import { manualPage } from '../../packages/fare/src/man.ts'

/** `packages/fare/man/fare.1`: the manual page of fare, from its table of commands. */
export function fareManual(): string {
  const file = new URL('../../packages/fare/package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  return manualPage(version)
}
