/** The files that a wallet's settings name: looked at when it is added, not first when there is something to pay. */

import { accessSync, constants, statSync } from 'node:fs'
import type { SettingKey } from '@turnpike/l402/lightning/kinds'
import { printable } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { flagOf } from '../cli/wallet-options.ts'

/**
 * Checks that a setting's file can be used; reads nothing of it.
 *
 * @throws UsageError that says what is wrong with it, and what was expected.
 */
export function checkWalletFile({ key, setting }: SettingKey, file: string): void {
  const why = faultOf(file, setting.name === 'program')
  if (why === undefined) return
  throw new UsageError(
    `--${flagOf(key)}: ${printable(file)}: ${why}; expected ${setting.what}. No wallet was added: put it there, or name where it is`,
  )
}

function faultOf(file: string, isProgram: boolean): string | undefined {
  try {
    const stat = statSync(file)
    if (!stat.isFile()) return stat.isDirectory() ? 'this is a folder' : 'this is no regular file'
    if (stat.size === 0) return 'there is nothing in it'
    accessSync(file, isProgram ? constants.X_OK : constants.R_OK)
    return undefined
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'there is no such file'
    return isProgram ? `it cannot be run (${code})` : `it cannot be read (${code})`
  }
}
