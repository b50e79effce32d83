/** An upstream's own OpenAPI document: read at the start, merged into the gateway's. */

import { readFileSync } from 'node:fs'
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
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`)
  }
  if (text.length > MAX_BYTES) throw new Error('expected at most 4 MiB')
  let document: unknown
  try {
    document = parse(text, { maxAliasCount: 100 })
  } catch {
    throw new Error('expected JSON or YAML')
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new Error('expected an OpenAPI 3 document')
  const { openapi, paths } = document as { openapi?: unknown; paths?: unknown }
  if (typeof openapi !== 'string' || !openapi.startsWith('3.'))
    throw new Error('expected an OpenAPI 3 document: "openapi: 3.…"')
  if (typeof paths !== 'object' || paths === null)
    throw new Error('expected an OpenAPI 3 document with paths')
  return document as Record<string, unknown>
}
