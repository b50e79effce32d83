/** Files that an agent may write: new ones, directly or deeper inside one folder, through no symbolic link. */

import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'

/** The name cannot be written; the message is fit for the agent. */
export class OutputRefused extends Error {}

const MOST_DEPTH = 8
const EXISTS = 'saveAs: a file of this name is there already'

/**
 * Makes a new file of this name inside `folder` (a real path). Folders on the way are made. Never overwrites.
 *
 * @throws OutputRefused
 */
export async function createOutput(
  folder: string,
  name: string,
): Promise<{ readonly path: string; readonly handle: FileHandle }> {
  const parts = partsOf(name)
  let at = folder
  for (const part of parts.slice(0, -1)) {
    at = join(at, part)
    await mkdir(at, { mode: 0o700 }).catch(ignoreExisting)
    const found = await lstat(at)
    // A link could lead out of the folder.
    if (!found.isDirectory()) throw new OutputRefused(`saveAs: "${part}" is there and is no folder`)
  }
  const path = join(at, parts.at(-1) ?? '')
  const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW = 0 } = constants
  try {
    // O_EXCL: neither a file nor a link that is there is ever followed or changed.
    return { path, handle: await open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600) }
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw new OutputRefused(EXISTS)
    throw new OutputRefused(`saveAs: cannot be written (${codeOf(error) ?? 'unknown'})`)
  }
}

/**
 * Whether a new file of this name could be made as things stand, before anything is paid for it. Makes nothing.
 *
 * @throws OutputRefused
 */
export async function checkOutput(folder: string, name: string): Promise<void> {
  const parts = partsOf(name)
  let at = folder
  for (const [index, part] of parts.entries()) {
    at = join(at, part)
    let found: Stats
    try {
      found = await lstat(at)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return
      throw new OutputRefused(`saveAs: cannot be written (${codeOf(error) ?? 'unknown'})`)
    }
    if (index === parts.length - 1) throw new OutputRefused(EXISTS)
    if (!found.isDirectory()) throw new OutputRefused(`saveAs: "${part}" is there and is no folder`)
  }
}

function partsOf(name: string): readonly string[] {
  const parts = name.split('/')
  if (parts.length > MOST_DEPTH || !parts.every(isPlain))
    throw new OutputRefused(
      'saveAs: expected a plain relative name such as reports/march.pdf: no "..", no leading dot or slash, no backslash',
    )
  return parts
}

function isPlain(part: string): boolean {
  return part !== '' && part.length <= 120 && !part.startsWith('.') && !/[\p{Cc}\p{Cf}\\:*?"<>|]/u.test(part)
}

function ignoreExisting(error: unknown): void {
  if (codeOf(error) !== 'EEXIST') throw new OutputRefused(`saveAs: cannot make a folder (${codeOf(error)})`)
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
