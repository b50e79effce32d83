/** Secrets and certificates in files. */

import { readFile } from 'node:fs/promises'
import { L402Error } from '../../core/errors.ts'

const MOST_BYTES = 1024 * 1024

/** The bytes of a file. Throws `lightning_unavailable` naming the setting, never the content. */
export async function readSecretFile(setting: string, file: string): Promise<Uint8Array> {
  try {
    const bytes = await readFile(file)
    if (bytes.length > 0 && bytes.length <= MOST_BYTES) return new Uint8Array(bytes)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw new L402Error('lightning_unavailable', `${setting}: ${file}: ${why}`)
  }
  throw new L402Error('lightning_unavailable', `${setting}: ${file}: expected a file with something in it`)
}

/** The text of a file, without white space around it. Throws like {@link readSecretFile}. */
export async function readTextFile(setting: string, file: string): Promise<string> {
  return new TextDecoder().decode(await readSecretFile(setting, file)).trim()
}
