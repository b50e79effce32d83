/** YAML text as plain values that remember where each of them stands, with `${NAME}` filled in. */

import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import type { ConfigIssue, Position } from './issue.ts'

/** A way into the file: keys and list indices. */
export type Path = readonly PropertyKey[]

/** Most nodes a file may have, aliases followed: a small file must not unfold into a big one. */
const MAX_NODES = 100_000

// biome-ignore lint/suspicious/noTemplateCurlyInString: it is what the reader has to write
const BARE_VARIABLE = 'a variable within { } or [ ], expected quotes around it: "${NAME}"'

interface Place {
  readonly keyOffset: number | undefined
  readonly valueOffset: number
  readonly substituted: boolean
}

/** A file that has been read. */
export interface YamlSource {
  /** Objects without a prototype, arrays, strings, numbers, booleans, null. */
  readonly value: unknown
  /** Syntax errors and variables that are not set. */
  readonly issues: readonly ConfigIssue[]
  /** Where a value stands; for what is not there, the nearest thing around it. */
  locate(path: Path): Position
  /** Where the key before a value stands. */
  locateKey(path: Path): Position
  /** Whether the value came (partly) from the environment; such a value is never shown. */
  isSubstituted(path: Path): boolean
  /** The value at a path, `undefined` where there is none. */
  get(path: Path): unknown
}

/** Reads `text`; `env` `null`: with nothing filled in. Never throws for what is in it; look at `issues` first. */
export function readYaml(text: string, env: Readonly<Record<string, string | undefined>> | null): YamlSource {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2' })
  const places = new Map<string, Place>()
  const issues: ConfigIssue[] = []
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  for (const fault of [...document.errors, ...document.warnings]) {
    const [offset] = fault.pos
    if (env !== null && offset > 0 && text.startsWith('${', offset - 1)) {
      // The faults that follow are of this one's making.
      issues.push({ position: at(offset - 1), message: BARE_VARIABLE })
      break
    }
    const message = fault.message.replace(/\s+/g, ' ').replace(/:? *$/, '')
    issues.push({ position: at(offset), message: `not YAML that can be read: ${message}` })
  }

  let nodes = 0
  const above = new Set<unknown>()
  const walk = (node: Node | null, path: Path, keyOffset: number | undefined, offset: number): unknown => {
    const valueOffset = node?.range?.[0] ?? offset
    const place = (substituted: boolean): void => {
      places.set(pathKey(path), { keyOffset, valueOffset, substituted })
    }
    nodes += 1
    if (nodes > MAX_NODES) return null
    if (isAlias(node)) {
      const target = node.resolve(document)
      place(false)
      if (target === undefined || above.has(target)) {
        issues.push({
          position: at(valueOffset),
          message: 'the alias leads nowhere, expected an anchor before it',
        })
        return null
      }
      return walk(target, path, keyOffset, valueOffset)
    }
    if (isScalar(node)) {
      if (typeof node.value !== 'string' || env === null) {
        place(false)
        return node.value
      }
      const filled = substitute(node.value, env)
      for (const message of filled.faults) issues.push({ position: at(valueOffset), message })
      place(filled.substituted)
      return filled.text
    }
    place(false)
    above.add(node)
    let value: unknown = null
    if (isMap(node)) {
      const object: Record<string, unknown> = Object.create(null)
      for (const { key, value: item } of node.items) {
        const start = (key as Node | null)?.range?.[0] ?? valueOffset
        const name = isScalar(key) && key.value !== null ? String(key.value) : undefined
        if (name === undefined || name === '__proto__') {
          issues.push({ position: at(start), message: 'not a usable key, expected a plain name' })
          continue
        }
        object[name] = walk(item as Node | null, [...path, name], start, start)
      }
      value = object
    } else if (isSeq(node)) {
      value = node.items.map((item, index) =>
        walk(item as Node | null, [...path, index], undefined, valueOffset),
      )
    }
    above.delete(node)
    return value
  }
  // With a syntax error the tree is a guess; saying more about it would mislead.
  const value = issues.length > 0 ? null : walk(document.contents, [], undefined, 0)
  if (nodes > MAX_NODES) {
    issues.push({
      position: at(0),
      message: `too large with its aliases, expected at most ${MAX_NODES} values`,
    })
  }

  const nearest = (path: Path): Place | undefined => {
    for (let length = path.length; length >= 0; length--) {
      const place = places.get(pathKey(path.slice(0, length)))
      if (place !== undefined) return place
    }
    return undefined
  }
  return {
    value,
    issues,
    locate: (path) => at(nearest(path)?.valueOffset ?? 0),
    locateKey: (path) => {
      const place = nearest(path)
      return at(place?.keyOffset ?? place?.valueOffset ?? 0)
    },
    isSubstituted: (path) => places.get(pathKey(path))?.substituted ?? false,
    get: (path) => valueAt(value, path),
  }
}

/** What stands at a path; `undefined` where nothing does. */
export function valueAt(value: unknown, path: Path): unknown {
  let current = value
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined
    current = (current as Record<PropertyKey, unknown>)[step]
  }
  return current
}

function pathKey(path: Path): string {
  return JSON.stringify(path)
}

/** `${NAME}` is the variable, `$${` a literal `${`; a single `$` elsewhere is itself. */
function substitute(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): { text: string; substituted: boolean; faults: string[] } {
  const faults: string[] = []
  let substituted = false
  const filled = text.replace(
    /\$\$\{|\$\{([^}]*)(\})?/g,
    (whole, name: string | undefined, end: string | undefined) => {
      if (whole === '$${') return '${'
      if (end === undefined || name === undefined || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what the reader has to write
        faults.push('not a variable, expected ${NAME} (write $${ for a literal ${)')
        return ''
      }
      const value = Object.hasOwn(env, name) ? env[name] : undefined
      if (value === undefined) {
        faults.push(`the environment variable ${name} is not set, expected it to hold this value`)
        return ''
      }
      substituted = true
      return value
    },
  )
  return { text: filled, substituted, faults }
}
