// The machine's Chromium. Plain JavaScript: scripts/e2e.mjs asks before anything else is loaded.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']

/**
 * The path of a Chromium: what `CHROMIUM` says, else the first in `PATH`; `undefined` without one.
 *
 * @returns {string | undefined}
 */
export function findChromium() {
  const { CHROMIUM, PATH = '' } = process.env
  if (CHROMIUM !== undefined && CHROMIUM !== '') return existsSync(CHROMIUM) ? CHROMIUM : undefined
  const paths = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)))
  return paths.find((path) => existsSync(path))
}
