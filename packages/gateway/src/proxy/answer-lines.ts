import type { HeaderLines } from '@turnpike/l402'
import { linesForStatus } from '@turnpike/l402/server'
import { type CrossOrigin, shareAnswer } from './cross-origin.ts'
import { editLines, type HeaderEdits } from './header-edits.ts'
import { headerKind } from './header-kinds.ts'
import { connectionNames } from './request-head.ts'

/** Header lines for the client. */
export interface AnswerLines {
  readonly lines: string[]
  /** Of the body, where the upstream said it; else -1. */
  readonly length: number
}

/** What the gateway and its operator say in an answer. */
export interface AnswerAdditions {
  /** Of the gate; name, value, … */
  readonly extra: HeaderLines
  readonly crossOrigin: CrossOrigin
  /** Of the operator. */
  readonly edits: HeaderEdits | undefined
}

/**
 * The upstream's header lines as the client gets them: in their order and spelling, byte for byte, without what is for
 * the upstream's connection only, then what the gateway adds.
 */
export function answerLines(
  raw: readonly Buffer[],
  status: number,
  { extra, crossOrigin, edits }: AnswerAdditions,
): AnswerLines {
  const lines: string[] = []
  let length = -1
  let dropped: ReadonlySet<string> | undefined
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]?.toString('latin1') ?? ''
    const value = raw[i + 1]?.toString('latin1') ?? ''
    switch (headerKind(name)) {
      case 'connection':
        dropped = connectionNames(value) ?? dropped
        break
      case 'hop':
        // Of the Proxy-* fields some are meant for the client's own proxy: none is ours to pass on.
        break
      case 'coding':
      case 'upgrade':
      case 'te':
        break
      case 'length':
        // RFC 9110 §8.6: none with 204.
        if (status === 204) break
        length = Number(value)
        lines.push(name, value)
        break
      default:
        lines.push(name, value)
    }
  }
  if (dropped !== undefined) dropNamed(lines, dropped)
  if (edits !== undefined) editLines(lines, edits)
  const added = linesForStatus(extra, status)
  if (added.includes('Cache-Control')) dropNamed(lines, CACHE_CONTROL)
  for (const text of added) lines.push(text)
  shareAnswer(lines, crossOrigin)
  return { lines, length }
}

/** The same for a body whose length is not known any more. */
export function withoutLength({ lines }: AnswerLines): AnswerLines {
  const kept = lines.filter((_, i) => (lines[i - (i % 2)] ?? '').toLowerCase() !== 'content-length')
  return { lines: kept, length: -1 }
}

const CACHE_CONTROL: ReadonlySet<string> = new Set(['cache-control'])

function dropNamed(lines: string[], names: ReadonlySet<string>): void {
  for (let i = lines.length - 2; i >= 0; i -= 2) {
    const name = (lines[i] ?? '').toLowerCase()
    if (names.has(name) && name !== 'content-length') lines.splice(i, 2)
  }
}
