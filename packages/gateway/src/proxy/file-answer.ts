/** The head of the answer for a file: whole, in part, or not again (RFC 9110 §13 and §14). */

import { CHANGED, FileMiss, noRange } from './file-miss.ts'

/** What is known about a file. */
export interface FileFacts {
  readonly size: number
  readonly modifiedNs: bigint
  /** Media type; `null`: unknown. */
  readonly type: string | null
}

/** The head of an answer and which bytes of the file follow, `to` excluded. */
export interface FileHead {
  readonly status: 200 | 206 | 304
  readonly text: string
  /** Name, value, … */
  readonly lines: readonly string[]
  readonly from: number
  readonly to: number
}

const CONDITIONS = [
  'if-match',
  'if-unmodified-since',
  'if-none-match',
  'if-modified-since',
  'if-range',
  'range',
]

/**
 * Answers what the request's header lines ask for. One range is served; several, or one that is not well-formed, are answered
 * with the whole file, as RFC 9110 §14.2 allows.
 *
 * @throws FileMiss for a condition that does not hold and a range that the file does not have.
 */
export function fileAnswer(requestLines: readonly string[], facts: FileFacts): FileHead {
  const { size, modifiedNs, type } = facts
  const asked = new Map<string, string>()
  for (let i = 0; i < requestLines.length; i += 2) {
    const name = (requestLines[i] ?? '').toLowerCase()
    if (!CONDITIONS.includes(name)) continue
    const before = asked.get(name)
    const value = requestLines[i + 1] ?? ''
    asked.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  const tag = `"${modifiedNs.toString(36)}-${size.toString(36)}"`
  const modified = Number(modifiedNs / 1_000_000_000n) * 1000
  const about = ['ETag', tag, 'Last-Modified', new Date(modified).toUTCString()]
  const known = validity(asked, tag, modified)
  if (known === 'changed') throw new FileMiss(CHANGED)
  if (known === 'same') return { status: 304, text: 'Not Modified', lines: about, from: 0, to: 0 }
  const range = rangeOf(asked, { tag, modified, size })
  if (range === 'none') throw new FileMiss(noRange(size))
  const { from, to } = range ?? { from: 0, to: size }
  const lines = [
    ...['Content-Type', contentType(type), 'Content-Length', String(to - from), 'Accept-Ranges', 'bytes'],
    ...about,
    ...(range === undefined ? [] : ['Content-Range', `bytes ${from}-${to - 1}/${size}`]),
  ]
  return range === undefined
    ? { status: 200, text: 'OK', lines, from, to }
    : { status: 206, text: 'Partial Content', lines, from, to }
}

function contentType(type: string | null): string {
  if (type === null) return 'application/octet-stream'
  return /^(?:text\/|application\/(?:json|javascript)$)/.test(type) ? `${type}; charset=utf-8` : type
}

/** RFC 9110 §13.2.2, steps 1 to 4. */
function validity(
  asked: ReadonlyMap<string, string>,
  tag: string,
  modified: number,
): 'changed' | 'same' | 'unknown' {
  const match = asked.get('if-match')
  const unmodified = dateOf(asked.get('if-unmodified-since'))
  if (match !== undefined ? !hasTag(match, tag, false) : unmodified !== undefined && modified > unmodified)
    return 'changed'
  const none = asked.get('if-none-match')
  if (none !== undefined) return hasTag(none, tag, true) ? 'same' : 'unknown'
  const since = dateOf(asked.get('if-modified-since'))
  return since !== undefined && modified <= since ? 'same' : 'unknown'
}

function hasTag(list: string, tag: string, weakly: boolean): boolean {
  if (list.trim() === '*') return true
  return list.split(',').some((entry) => {
    const text = entry.trim()
    return text === tag || (weakly && text === `W/${tag}`)
  })
}

function dateOf(text: string | undefined): number | undefined {
  const time = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(time) ? undefined : time
}

/** The one range that is asked for; `undefined`: the whole file; `none`: not in it. */
function rangeOf(
  asked: ReadonlyMap<string, string>,
  { tag, modified, size }: { tag: string; modified: number; size: number },
): { from: number; to: number } | 'none' | undefined {
  const condition = asked.get('if-range')
  // A strong validator or the exact date (§13.1.5).
  if (condition !== undefined && condition !== tag && dateOf(condition) !== modified) return undefined
  const parts = /^bytes=[ \t]*([0-9]{0,15})-([0-9]{0,15})[ \t]*$/i.exec(asked.get('range') ?? '')
  const [, first = '', last = ''] = parts ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const count = Math.min(Number(last), size)
    return count === 0 ? 'none' : { from: size - count, to: size }
  }
  const from = Number(first)
  if (last !== '' && Number(last) < from) return undefined
  if (from >= size) return 'none'
  return { from, to: last === '' ? size : Math.min(Number(last) + 1, size) }
}
