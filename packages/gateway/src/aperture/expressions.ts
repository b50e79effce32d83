/** RE2 expressions of Aperture, which may match anywhere in a text, as ours, which match all of it. */

import { RE2JS } from 're2js'

/** Whether it can be compiled; else why not. */
export function expressionFault(source: string): string | undefined {
  try {
    RE2JS.compile(source)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.replace(/\s+/g, ' ').slice(0, 120) : 'unknown fault'
  }
}

/** Whether it plainly takes every text. */
export function takesAll(source: string): boolean {
  return /^(?:\^?\.\*\$?|\^|\$|)$/.test(source)
}

/** Whether it plainly takes every path. */
export function takesAllPaths(source: string): boolean {
  return takesAll(source) || /^\^?\/(?:\.\*\$?)?$/.test(source)
}

/**
 * The same texts (none of which has a line break) by an expression of the whole text. Without alternatives and flags, `^` and
 * `$` at the ends need not be written; else the expression stays whole, in a group of its own.
 */
export function wholeText(source: string): string {
  const text = source.replace(/\\[\s\S]| /g, (part) => (part.endsWith(' ') ? '\\x20' : part))
  if (/[|]|\(\?|\\Q|^\^[*+?{]/.test(text)) {
    const open = text.lastIndexOf('\\Q') > text.lastIndexOf('\\E')
    return `.*(?:${text}${open ? '\\E' : ''}).*`
  }
  const starts = text.startsWith('^')
  const ends = /(?<!\\)(?:\\\\)*\$$/.test(text)
  return `${starts ? '' : '.*'}${text.slice(starts ? 1 : 0, ends ? -1 : undefined)}${ends ? '' : '.*'}`
}
