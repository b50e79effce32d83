import { readFileSync } from 'node:fs'
import { buffer as readBytes } from 'node:stream/consumers'
import { L402Error } from '@turnpike/l402'
import { isTokenFile, type StoredCredential } from '@turnpike/l402/client'
import { toJson } from '../cli/json.ts'
import { printable } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { writeSecretFile } from '../grants/grant-file.ts'
import { carried, open, seal, toStored } from '../tokens/bundle.ts'
import { readToken, readTokenFiles } from '../tokens/token-files.ts'
import { type TokensAction, typedToken } from './tokens.ts'

/** `fare tokens import [FILE]`: credentials bought elsewhere, from a file, a folder of token files or standard input. */
export async function importTokens(given: TokensAction): Promise<ExitCode> {
  const { purse, values, words, streams } = given
  const [path = '-', ...rest] = words
  if (rest.length > 0)
    throw new UsageError('fare tokens import: expected one file or folder, or none for standard input')
  if (values.origin !== undefined && !/^https?:\/\/[^/]+\/?$/.test(values.origin))
    throw new UsageError('--origin: expected where the credential is good, e.g. https://api.example.com')
  const { format, credentials, left } = await readImported(path, given)
  const added: string[] = []
  const held: string[] = []
  for (const credential of credentials)
    (await purse.addCredential(credential)) ? added.push(credential.id) : held.push(credential.id)
  if (values.json) await streams.out(toJson({ ok: true, exitCode: EXIT.fetched, format, added, held, left }))
  else {
    const there =
      held.length === 0 ? '' : ` ${held.length} ${held.length === 1 ? 'was' : 'were'} in the purse already.`
    const of = format === 'token_file' ? ' from token files of lnget or Aperture' : ''
    const lines = credentials
      .filter(({ id }) => added.includes(id))
      .map(({ id, origin }) => `  ${id} for ${origin}`)
    const why = left.map(({ file, reason }) => `Left out ${printable(file)}: ${reason}.`)
    await streams.out(
      [`Imported ${counted(added.length)}${of}.${there}`, ...lines, ...why]
        .map((line) => `${line}\n`)
        .join(''),
    )
  }
  return EXIT.fetched
}

interface Imported {
  readonly format: 'bundle' | 'authorization' | 'token_file'
  readonly credentials: readonly StoredCredential[]
  /** Token files of a folder that hold nothing to be had. */
  readonly left: readonly { readonly file: string; readonly reason: string }[]
}

async function readImported(path: string, { values }: TokensAction): Promise<Imported> {
  const { origin } = values
  const given = path === '-' ? await readBytes(process.stdin) : undefined
  const read =
    given === undefined
      ? readTokenFiles(path, origin)
      : isTokenFile(given)
        ? [readToken('standard input', given, origin)]
        : undefined
  if (read === undefined) {
    const text = given === undefined ? readInput(path) : given.toString()
    const passphrase = (): string => passphraseOf(values['passphrase-file'])
    const { format, all } = await open(text, { origin, passphrase })
    return { format, credentials: all.map(toStored), left: [] }
  }
  const credentials = read.flatMap((one) => ('credential' in one ? [one.credential] : []))
  const left = read.flatMap((one) => ('left' in one ? [{ file: one.file, reason: one.left }] : []))
  const [first] = left
  if (credentials.length === 0 && first !== undefined)
    throw new L402Error('malformed', `nothing was imported: ${printable(first.file)}: ${first.reason}`)
  return { format: 'token_file', credentials, left }
}

/** `fare tokens export [ID…] -o FILE --passphrase-file F`: an encrypted bundle; all credentials without an id. */
export async function exportTokens(given: TokensAction): Promise<ExitCode> {
  const { purse, values, words, streams } = given
  const { output, json } = values
  if (output === undefined || output === '-' || values['passphrase-file'] === undefined)
    throw new UsageError('fare tokens export: expected -o FILE and --passphrase-file FILE')
  const passphrase = passphraseOf(values['passphrase-file'])
  const chosen = []
  if (words.length === 0) chosen.push(...(await purse.credentials()))
  else for (const word of words) chosen.push(await typedToken({ ...given, words: [word] }))
  if (chosen.length === 0) throw new UsageError('the purse holds no credentials to export')
  writeSecretFile(output, await seal(chosen.map(carried), passphrase))
  const ids = chosen.map(({ id }) => id)
  await streams.out(
    json
      ? toJson({ ok: true, exitCode: EXIT.fetched, exported: ids, file: output })
      : `Exported ${counted(ids.length)} to ${output}, encrypted. They stay in this purse too.\n`,
  )
  return EXIT.fetched
}

function counted(count: number): string {
  return count === 1 ? '1 credential' : `${count} credentials`
}

/** The first line of the file; a passphrase on the command line would be for everybody to read. */
function passphraseOf(file: string | undefined): string {
  if (file === undefined) throw new UsageError('the bundle is encrypted: expected --passphrase-file FILE')
  const [line = ''] = readInput(file).split(/\r?\n/)
  if (line.length < 8) throw new UsageError(`--passphrase-file: expected at least 8 characters in ${file}`)
  return line
}

function readInput(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
