import { accessSync, constants, createWriteStream, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import type { Streams } from './streams.ts'
import { UsageError } from './usage-error.ts'

/** Where a body goes; answers false once nobody reads it any more. */
export interface Sink {
  write(chunk: string | Uint8Array): Promise<boolean>
  close(): Promise<void>
}

/** Standard output. */
export function streamSink(streams: Streams): Sink {
  return { write: (chunk) => streams.out(chunk), close: async () => {} }
}

/** A file, made or emptied now; with `offset` what is before it stays. */
export async function fileSink(path: string, offset = 0): Promise<Sink> {
  const file =
    offset === 0 ? createWriteStream(path) : createWriteStream(path, { flags: 'r+', start: offset })
  // What goes wrong is told by the write or close that it meets.
  file.on('error', () => {})
  await new Promise<void>((done, reject) => file.once('open', () => done()).once('error', reject))
  return {
    async write(chunk) {
      await settled(file, (done) => file.write(chunk, done))
      return true
    },
    close: () => settled(file, (done) => file.end(done)),
  }
}

function settled(
  file: Writable,
  start: (done: (error?: Error | null | undefined) => void) => void,
): Promise<void> {
  return new Promise((done, reject) => {
    file.once('error', reject)
    start((error) => {
      file.off('error', reject)
      if (error) reject(error)
      else done()
    })
  })
}

/** Counts and keeps nothing: what is in a file need not be in memory too. */
export function countingSink(): Sink & { readonly count: number } {
  let count = 0
  return {
    async write(chunk) {
      count += chunk.length
      return true
    },
    close: async () => {},
    get count() {
      return count
    },
  }
}

/** A body in memory, for `--json`. */
export function memorySink(): Sink & { bytes(): Uint8Array } {
  const chunks: Uint8Array[] = []
  return {
    async write(chunk) {
      chunks.push(typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk)
      return true
    },
    close: async () => {},
    bytes: () => new Uint8Array(Buffer.concat(chunks)),
  }
}

/**
 * The file of `-o` or `-O`; `undefined` for standard output.
 *
 * @throws UsageError where it could not be written: that is better known before anything is paid.
 */
export function outputFile(
  output: string | undefined,
  remoteName: boolean | undefined,
  url: URL,
): string | undefined {
  if (output !== undefined && remoteName) throw new UsageError('-o and -O do not go together')
  if (output === '-' || (output === undefined && !remoteName)) return undefined
  const file = output ?? nameIn(url)
  try {
    if (file === '') throw new Error('it has no name')
    const found = statSync(file, { throwIfNoEntry: false })
    if (found?.isDirectory()) throw new Error('it is a folder')
    // The dot: only a folder has one in it.
    accessSync(found ? file : `${dirname(resolve(file))}/.`, constants.W_OK)
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  return file
}

function nameIn(url: URL): string {
  let name = ''
  try {
    name = basename(decodeURIComponent(url.pathname))
  } catch {
    // not percent-encoded text: no file name
  }
  // A server does not choose a hidden file, and a query is no part of a name.
  if (name === '' || name.startsWith('.') || /[\p{Cc}/\\]/u.test(name))
    throw new UsageError('-O: the URL does not end in a usable file name; use -o FILE')
  return name
}
