/** Token files that lnget and Aperture's client have written, alone or in their folders. */

import { lstatSync, readdirSync, readFileSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { isL402Error } from '@turnpike/l402'
import { isTokenFile, readTokenFile, type StoredCredential } from '@turnpike/l402/client'
import { UsageError } from '../cli/usage-error.ts'

/** What a file came to; why it was left out never holds anything of it. */
export type ReadToken =
  | { readonly file: string; readonly credential: StoredCredential }
  | { readonly file: string; readonly left: string }

/** What both programs call their files; lnget keeps one folder for each host. */
const FILE_NAME = /^(?:l402|lsat)\.token(?:\.pending)?$/
/** Where newer versions of lnget write down whose folder it is. */
const DOMAIN_FILE = '.domain'
/** Largest token file: a macaroon of 8 KiB and what is paid for it. */
const MOST_BYTES = 16 * 1024

/**
 * The token files at `path`: the file itself, those in a folder, or those in the folders of lnget's token store.
 * `undefined` where `path` is something else than a folder or a token file.
 *
 * @throws UsageError for a path that cannot be read, and a folder without token files.
 */
export function readTokenFiles(path: string, origin: string | undefined): readonly ReadToken[] | undefined {
  const found = statOf(path)
  if (!found.isDirectory()) {
    if (!found.isFile() || found.size > MOST_BYTES) return undefined
    const bytes = readFileSync(path)
    return isTokenFile(bytes) ? [readToken(path, bytes, origin ?? originBeside(path, false))] : undefined
  }
  const here = tokenFilesIn(path)
  const below = readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => tokenFilesIn(join(path, entry.name)))
  if (here.length + below.length === 0)
    throw new UsageError(`${path}: expected l402.token or lsat.token in this folder or in the folders in it`)
  const read = (file: string, isStore: boolean): ReadToken => {
    const bytes = lstatSync(file).size > MOST_BYTES ? new Uint8Array() : readFileSync(file)
    return readToken(file, bytes, origin ?? originBeside(file, isStore))
  }
  return [...here.map((file) => read(file, false)), ...below.map((file) => read(file, true))]
}

function tokenFilesIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && FILE_NAME.test(entry.name))
    .map((entry) => join(folder, entry.name))
    .sort()
}

/** One token file as a credential. */
export function readToken(file: string, bytes: Uint8Array, origin: string | undefined): ReadToken {
  if (!isTokenFile(bytes)) return { file, left: 'it is no token file of lnget or Aperture' }
  if (origin === undefined)
    return { file, left: 'it does not say where it is good: expected --origin https://…' }
  try {
    const credential = readTokenFile(bytes, { origin })
    return { file, credential: { ...credential, boughtFor: `${credential.origin} *` } }
  } catch (error) {
    if (isL402Error(error)) return { file, left: error.message }
    throw error
  }
}

/**
 * Where lnget has bought it: by its `.domain` file, or by the name of the folder, where a port stands behind an
 * underscore. lnget keeps no scheme; https is the one that credentials may be sent over.
 */
function originBeside(file: string, isStore: boolean): string | undefined {
  const folder = dirname(resolve(file))
  const domain = domainFile(folder)
  const named = isStore || basename(dirname(folder)) === 'tokens'
  const host = domain ?? (named ? basename(folder).replace('_', ':') : '')
  if (!/^(?:[^\s/?#@:\\]+\.[^\s/?#@:\\]+|localhost|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i.test(host))
    return undefined
  return URL.canParse(`https://${host}`) ? new URL(`https://${host}`).origin : undefined
}

function domainFile(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, DOMAIN_FILE), 'utf8').trim()
  } catch {
    return undefined
  }
}

function statOf(path: string): Stats {
  try {
    return statSync(path)
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
