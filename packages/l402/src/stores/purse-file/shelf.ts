/**
 * Rows in a file of lines. A line is what one step changed, so that it is there whole or not at all: what a crash cut off
 * is taken away by who writes next. The first line says what the file is.
 */

import {
  chmodSync,
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { decodeUtf8, encodeHex, encodeUtf8 } from '../../core/bytes.ts'
import { isL402Error, L402Error } from '../../core/errors.ts'
import { sha256 } from '../../core/hash.ts'
import { makeFile, makeFolder } from '../lib/private-files.ts'
import type { PurseShelf, Row } from '../lib/purse-rows.ts'
import { withFolderLock } from './folder-lock.ts'

const HEAD = '{"purse":"turnpike","version":1}'
/** The file is written anew once it holds so many rows, and so many times more than are in force. */
const LEAST_ROWS = 2_000
const MOST_TIMES = 4

/** Opens the rows of `file`; folder (0700) and file (0600) are made where they are missing. */
export function fileShelf(file: string): PurseShelf {
  const locks = `${file}.locks`
  let descriptor: number | undefined
  /** Bytes that were read, to the end of a line. */
  let position = 0
  let rowsRead = 0
  const inForce = new Set<string>()

  function closeFile(): void {
    if (descriptor !== undefined) closeSync(descriptor)
    descriptor = undefined
    position = 0
    rowsRead = 0
    inForce.clear()
  }

  function count(rows: readonly Row[]): void {
    rowsRead += rows.length
    for (const [key, text] of rows) text === null ? inForce.delete(key) : inForce.add(key)
  }

  /** The file under its name, which may be another one since it was written anew. */
  function current(): number {
    if (descriptor !== undefined) {
      const [open, named] = [fstatSync(descriptor), statSync(file)]
      if (open.ino === named.ino && open.dev === named.dev && named.size >= position) return descriptor
      closeFile()
    }
    makeFolder(dirname(file))
    if (!makeFile(file) && (statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600)
    descriptor = openSync(file, 'r+')
    return descriptor
  }

  /** The rows written since, and where their last line ends. */
  function readOn(fd: number): readonly Row[] {
    const bytes = new Uint8Array(Math.max(0, fstatSync(fd).size - position))
    let filled = 0
    for (let n = 1; n > 0 && filled < bytes.length; filled += n)
      n = readSync(fd, bytes, filled, bytes.length - filled, position + filled)
    const end = bytes.subarray(0, filled).lastIndexOf(10) + 1
    const text = decodeUtf8(bytes.subarray(0, end))
    if (text === undefined) throw incompatible('it is not text')
    const lines = text.split('\n').slice(0, -1)
    if (position === 0) {
      const first = lines.shift() ?? decodeUtf8(bytes.subarray(0, filled))
      // A crash may have cut the very first line off.
      if (first !== HEAD && !(end === 0 && first !== undefined && HEAD.startsWith(first)))
        throw incompatible('it is another program’s, or a newer one’s')
    }
    const rows = lines.flatMap(rowsOf)
    position += end
    count(rows)
    return rows
  }

  function rowsOf(line: string): readonly Row[] {
    try {
      return JSON.parse(line) as Row[]
    } catch {
      throw incompatible('a line of it is damaged')
    }
  }

  function incompatible(why: string): L402Error {
    return new L402Error('store_incompatible', `the purse ${file} cannot be read: ${why}`)
  }

  function append(fd: number, text: string): void {
    const bytes = encodeUtf8(text)
    // What a crash cut off, or a write that failed.
    ftruncateSync(fd, position)
    writeAll(fd, bytes, position)
    fdatasyncSync(fd)
    position += bytes.length
  }

  /** The file without what was replaced since, in one step: a crash leaves the one or the other. */
  function writeAnew(rows: readonly Row[]): void {
    const next = `${file}.new`
    rmSync(next, { force: true })
    const fd = openSync(next, 'wx', 0o600)
    try {
      writeAll(fd, encodeUtf8(`${HEAD}\n${rows.map((row) => `${JSON.stringify([row])}\n`).join('')}`), 0)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(next, file)
    // What is appended from now on goes with the new file: its name must be as durable.
    syncFolder(dirname(file))
    closeFile()
  }

  function compact(): void {
    closeFile()
    writeAnew([...new Map(readOn(current()))].filter(([, text]) => text !== null))
  }

  async function guarded<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      // Whatever it was, the image may be ahead of the file.
      closeFile()
      throw faultOf(error, file)
    }
  }

  const step: PurseShelf['step'] = (work, writes) => {
    const once = (): void => {
      const fd = current()
      const whole = position === 0
      const changed = work({ rows: readOn(fd), whole })
      if (!writes || changed.length === 0) return
      append(fd, `${position === 0 ? `${HEAD}\n` : ''}${JSON.stringify(changed)}\n`)
      count(changed)
      if (rowsRead > LEAST_ROWS && rowsRead > inForce.size * MOST_TIMES) compact()
    }
    return guarded(() =>
      writes ? withFolderLock(join(locks, 'file'), { task: async () => once() }) : once(),
    )
  }

  return {
    step,
    async withLock<T>(name: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
      const slot = encodeHex(sha256(encodeUtf8(name))).slice(0, 3)
      let started = false
      const run = (): Promise<T> => {
        started = true
        return task()
      }
      try {
        return await withFolderLock(join(locks, slot), { task: run, signal })
      } catch (error) {
        throw started ? error : faultOf(error, file)
      }
    },
    close: async () => closeFile(),
  }
}

function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, position + done)
}

/** A fault of the file system in this library's words; anything else as it is. */
function faultOf(error: unknown, file: string): unknown {
  if (isL402Error(error) || !(error instanceof Error && 'syscall' in error)) return error
  const detail = `the purse ${file} cannot be used: ${error.message}`
  return new L402Error('store_unavailable', detail, { cause: error })
}
