/** An upstream's own OpenAPI document: read at the start, merged into the gateway's. */

import { readFileSync, statSync } from 'node:fs'
import { parse } from 'yaml'

/** Most bytes of it. */
const MAX_BYTES = 4 * 1024 * 1024

/**
 * Reads one, JSON or YAML, of OpenAPI 3.
 *
 * @throws Error that says what was expected.
 */
export function readOwnDocument(file: string): Record<string, unknown> {
  let text: string
  try {
    const { size } = statSync(file)
    text = size > MAX_BYTES ? '' : readFileSync(file, 'utf8')
    if (size > MAX_BYTES || text.length > MAX_BYTES) throw new RangeError('expected at most 4 MiB')
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new Error(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`)
  }
  let document: unknown
  try {
    document = parse(text, { maxAliasCount: 100 })
  } catch {
    throw new Error('expected JSON or YAML')
  }
  try {
    // What an anchor makes to hold itself has no JSON.
    JSON.stringify(document)
  } catch {
    throw new Error('expected a document that does not hold itself')
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new Error('expected an OpenAPI 3 document')
  const { openapi, paths } = document as { openapi?: unknown; paths?: unknown }
  if (typeof openapi !== 'string' || !openapi.startsWith('3.'))
    throw new Error('expected an OpenAPI 3 document: "openapi: 3.…"')
  if (typeof paths !== 'object' || paths === null || Array.isArray(paths))
    throw new Error('expected an OpenAPI 3 document with paths')
  return document as Record<string, unknown>
}
