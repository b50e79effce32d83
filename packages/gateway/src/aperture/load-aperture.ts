/** An `aperture.yaml` as a configuration of ours. */

import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CommandError, exitCode } from '../cli/exit.ts'
import type { Config } from '../config/config.ts'
import type { ConfigIssue } from '../config/issue.ts'
import { type LoadOptions, parseConfig } from '../config/load.ts'
import { overlayName, readOverlay } from '../config/overlay.ts'
import { type Translation, translateAperture } from './translate.ts'

/** Reads and translates `file`. Throws `ConfigError` or {@link CommandError}, both with exit code 78. */
export function readApertureFile(file: string, { cwd, env }: Pick<LoadOptions, 'cwd' | 'env'>): Translation {
  const absolute = resolve(cwd, file)
  let text: string
  try {
    text = readFileSync(absolute, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    throw new CommandError(
      exitCode.config,
      `${file}: cannot be read (${code}), expected a configuration of Aperture.`,
    )
  }
  return translateAperture(text, { file, folder: dirname(absolute), env, exists: existsSync })
}

/** The configuration, and what is not carried. Faults that only its translation has are told under the translation's name. */
export function loadAperture(
  file: string,
  options: LoadOptions,
): { readonly config: Config; readonly notes: readonly ConfigIssue[] } {
  const { text, notes } = readApertureFile(file, options)
  const absolute = resolve(options.cwd, file)
  const changes = { file: overlayName(absolute), shown: overlayName(file) }
  const config = parseConfig(text, {
    ...options,
    file: `${file} (as "turnpike import" writes it)`,
    folder: dirname(absolute),
    overlay: readOverlay(changes.file, changes.shown),
  })
  return { config: { ...config, overlay: { ...config.overlay, ...changes } }, notes }
}
