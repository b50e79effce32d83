/** Folders and files that only their owner may read (rule C10). */

import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

/** Makes a folder and those above it, 0700. Node's own `recursive` never returns where none can be made (`/proc`). */
export function makeFolder(folder: string): void {
  const attempt = (): string => {
    try {
      mkdirSync(folder, { mode: 0o700 })
      return ''
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      if (code === 'EEXIST' || (code === 'ENOENT' && dirname(folder) !== folder)) return code
      throw error
    }
  }
  if (attempt() !== 'ENOENT') return
  makeFolder(dirname(folder))
  // Another process may have been first here too.
  if (attempt() === 'ENOENT') mkdirSync(folder, { mode: 0o700 })
}

/** Makes an empty file, 0600, where there is none. */
export function makeFile(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx', 0o600))
    return true
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    return false
  }
}
