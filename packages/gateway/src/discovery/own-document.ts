/** An upstream's own OpenAPI document: read at the start, merged into the gateway's. */

import { readFileSync, statSync } from 'node:fs'
import { isMap, isScalar, parseDocument, visit } from 'yaml'
import { isTable } from './own-parts.ts'
import { pathItemOf } from './path-item.ts'

type Json = Record<string, unknown>

/** Most bytes of it. */
const MAX_BYTES = 4 * 1024 * 1024

/** Most characters of it as JSON once its anchors, or its references between paths, are filled in. */
const MAX_FILLED = 16 * 1024 * 1024

/** Most levels of lists and tables in each other: far from where reading them could need too much of the stack. */
const MAX_LEVELS = 256

/**
 * Reads one, JSON or YAML, of OpenAPI 3.
 *
 * @throws Error that says what was expected.
 */
export function readOwnDocument(file: string): Json {
  let text: string
  try {
    const { size } = statSync(file)
    text = size > MAX_BYTES ? '' : readFileSync(file, 'utf8')
    if (size > MAX_BYTES || text.length > MAX_BYTES) throw new RangeError('expected at most 4 MiB')
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new Error(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`)
  }
  const document = parsed(text)
  checkSize(document)
  if (!isTable(document)) throw new Error('expected an OpenAPI 3 document')
  const { openapi, paths } = document
  if (typeof openapi !== 'string' || !openapi.startsWith('3.'))
    throw new Error('expected an OpenAPI 3 document: "openapi: 3.…"')
  if (!isTable(paths)) throw new Error('expected an OpenAPI 3 document with paths')
  checkPaths(document, paths)
  return document
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // YAML then, or nothing. Reading JSON as YAML would take long.
  }
  try {
    // The reader's own look for names that stand twice takes the square of their number.
    const document = parseDocument(text, { uniqueKeys: false })
    let isBad = document.errors.length > 0
    visit(document, (_, node) => {
      if (isMap(node)) isBad ||= holdsTwice(node.items.map(({ key }) => (isScalar(key) ? key.value : key)))
    })
    if (!isBad) return document.toJS({ maxAliasCount: 100 })
  } catch {
    // Said below.
  }
  throw new Error('expected JSON or YAML')
}

function holdsTwice(names: readonly unknown[]): boolean {
  return new Set(names).size < names.length
}

function checkSize(document: unknown): void {
  const tooDeep = `expected at most ${MAX_LEVELS} levels of lists and tables in each other`
  let filled: string
  try {
    filled = JSON.stringify(document) ?? ''
  } catch (error) {
    // What an anchor makes to hold itself has no JSON.
    const isCircle = error instanceof TypeError
    throw new Error(isCircle ? 'expected a document that does not hold itself' : tooDeep)
  }
  if (filled.length > MAX_FILLED) throw new Error('expected at most 16 MiB with its anchors filled in')
  let level = [document]
  for (let levels = 0; level.length > 0; levels++) {
    if (levels > MAX_LEVELS) throw new Error(tooDeep)
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    )
  }
}

/** Many paths may refer to one: each of them is told in full. */
function checkPaths(document: Json, paths: Json): void {
  let filled = 0
  for (const path of Object.keys(paths)) {
    filled += JSON.stringify(pathItemOf(document, path)).length
    if (filled > MAX_FILLED)
      throw new Error('expected at most 16 MiB with its references between paths filled in')
  }
}
