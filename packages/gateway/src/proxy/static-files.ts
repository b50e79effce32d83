/** A folder as an upstream: what is gated, counted and settled about other answers is so about files. */

import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { Readable } from 'node:stream'
import mime from 'mime'
import { type FileFacts, fileAnswer } from './file-answer.ts'
import { FileMiss, moved, NO_FILE, NOT_READ, READ_FAILED } from './file-miss.ts'
import type { Upstream, UpstreamHandler, UpstreamRequest } from './upstream-pools.ts'

const PIECE_BYTES = 65_536
const INDEX = 'index.html'
// A name that is a link by now is none of ours; a pipe must not keep the reader waiting.
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Serves the files below a folder: GET and HEAD, no dot files, nothing that a link leads outside for. */
export class StaticFiles implements Upstream {
  readonly #folder: string

  /** `folder`: an absolute name. What it links to is looked up with every request, so that it can be exchanged at once. */
  constructor(folder: string) {
    this.#folder = folder
  }

  dispatch(request: UpstreamRequest, handler: UpstreamHandler): void {
    void new FileAnswer(request, handler).run(this.#folder)
  }

  dispatchAfresh(request: UpstreamRequest, handler: UpstreamHandler): void {
    this.dispatch(request, handler)
  }

  async close(): Promise<void> {}
  async destroy(): Promise<void> {}
}

/** One answer on its way, told to a dispatch handler. `onRequestSent` is never told: who leaves before the first byte owes nothing. */
class FileAnswer {
  readonly #request: UpstreamRequest
  readonly #handler: UpstreamHandler
  #stopped: Error | undefined
  #paused: PromiseWithResolvers<void> | undefined

  constructor(request: UpstreamRequest, handler: UpstreamHandler) {
    this.#request = request
    this.#handler = handler
  }

  async run(folder: string): Promise<void> {
    const handler = this.#handler
    const { body } = this.#request
    // Nobody reads what comes with a request for a file.
    if (body instanceof Readable) body.destroy()
    let file: FileHandle | undefined
    try {
      handler.onConnect?.((error) => {
        this.#stopped = error ?? new Error('stopped')
        this.#paused?.resolve()
      })
      const found = await this.#find(folder)
      file = found.file
      if (this.#stopped === undefined) await this.#send(found.file, found.facts)
      if (this.#stopped !== undefined) throw this.#stopped
      handler.onComplete?.([])
    } catch (error) {
      handler.onError?.(error instanceof Error ? error : new Error('stopped'))
    } finally {
      await file?.close().catch(() => {})
    }
  }

  async #find(folder: string): Promise<{ file: FileHandle; facts: FileFacts }> {
    const { method, path } = this.#request
    if (method !== 'GET' && method !== 'HEAD') throw new FileMiss(NOT_READ)
    const end = path.indexOf('?')
    const pathname = end < 0 ? path : path.slice(0, end)
    const names = fileNames(pathname)
    if (names === undefined) throw new FileMiss(NO_FILE)
    const root = await realpath(folder).catch(failed)
    const name = join(root, ...names, ...(pathname.endsWith('/') ? [INDEX] : []))
    const real = await realpath(name).catch(missing)
    if (!isBelow(root, real)) throw new FileMiss(NO_FILE)
    const file = await open(real, FLAGS).catch(missing)
    try {
      const stat = await file.stat({ bigint: true })
      if (stat.isDirectory() && !pathname.endsWith('/')) {
        await realpath(join(real, INDEX)).catch(missing)
        // Relative, since only the client knows what stands before it; links on the page need the slash.
        throw new FileMiss(
          moved(`./${pathname.slice(pathname.lastIndexOf('/') + 1)}/${end < 0 ? '' : path.slice(end)}`),
        )
      }
      if (!stat.isFile()) throw new FileMiss(NO_FILE)
      const facts = { size: Number(stat.size), modifiedNs: stat.mtimeNs, type: mime.getType(real) }
      return { file, facts }
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
  }

  async #send(file: FileHandle, facts: FileFacts): Promise<void> {
    const handler = this.#handler
    const { method, headers } = this.#request
    const lines = Array.isArray(headers) ? (headers as readonly string[]) : []
    const answer = fileAnswer(lines, facts)
    const raw = answer.lines.map((text) => Buffer.from(text, 'latin1'))
    await this.#taken(handler.onHeaders?.(answer.status, raw, this.#resume, answer.text))
    if (method === 'HEAD') return
    for (let at = answer.from; at < answer.to && this.#stopped === undefined; ) {
      const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, answer.to - at))
      const { bytesRead } = await file.read(piece, 0, piece.length, at).catch(failed)
      // Cut short meanwhile: what was promised cannot be kept.
      if (bytesRead === 0) throw new FileMiss(READ_FAILED)
      at += bytesRead
      if (this.#stopped === undefined) await this.#taken(handler.onData?.(piece.subarray(0, bytesRead)))
    }
  }

  readonly #resume = (): void => this.#paused?.resolve()

  /** Waits until the handler wants more. */
  async #taken(more: boolean | undefined): Promise<void> {
    if (more !== false || this.#stopped !== undefined) return
    this.#paused = Promise.withResolvers()
    await this.#paused.promise
    this.#paused = undefined
  }
}

/** The decoded segments of a normalised path; `undefined` where one of them can be no file's name. */
function fileNames(pathname: string): string[] | undefined {
  const names: string[] = []
  for (const segment of pathname.split('/')) {
    if (segment === '') continue
    let name: string
    try {
      name = decodeURIComponent(segment)
    } catch {
      return undefined
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    if (name.startsWith('.') || /[/\\\x00-\x1f\x7f]/.test(name)) return undefined
    names.push(name)
  }
  return names
}

/** Whether a real name is in the folder and no part of it begins with a dot. */
function isBelow(root: string, real: string): boolean {
  const folder = root.endsWith(sep) ? root : `${root}${sep}`
  return (
    real.startsWith(folder) &&
    !real
      .slice(folder.length)
      .split(sep)
      .some((name) => name.startsWith('.'))
  )
}

const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EPERM', 'ENAMETOOLONG', 'ENXIO'])

function missing(error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  throw new FileMiss(MISSING.has(code) ? NO_FILE : READ_FAILED)
}

function failed(): never {
  throw new FileMiss(READ_FAILED)
}
