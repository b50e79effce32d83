import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readOwnDocument } from './own-document.ts'

const folder = mkdtempSync(join(tmpdir(), 'own-document-'))
afterAll(() => rmSync(folder, { recursive: true }))

function read(text: string): Record<string, unknown> {
  const file = join(folder, 'own')
  writeFileSync(file, text)
  return readOwnDocument(file)
}

describe('the file of an upstream’s own document', () => {
  it('is JSON or YAML', () => {
    expect(read('{"openapi":"3.0.0","paths":{}}')).toEqual({ openapi: '3.0.0', paths: {} })
    expect(read('openapi: 3.1.0\npaths: {}\n')).toEqual({ openapi: '3.1.0', paths: {} })
  })

  it.each([
    ['', 'expected an OpenAPI 3 document'],
    ['[]', 'expected an OpenAPI 3 document'],
    ['a: [', 'expected JSON or YAML'],
    ['swagger: "2.0"\npaths: {}', 'expected an OpenAPI 3 document: "openapi: 3.…"'],
    ['openapi: 3.1.0', 'expected an OpenAPI 3 document with paths'],
    ['openapi: 3.1.0\npaths: []', 'expected an OpenAPI 3 document with paths'],
    ['openapi: 3.1.0\npaths: &all { x: *all }', 'expected a document that does not hold itself'],
    [`{"openapi":"3.1.0","paths":${'['.repeat(200_000)}`, 'expected JSON or YAML'],
    [' '.repeat(4 * 1024 * 1024 + 1), 'expected at most 4 MiB'],
  ])('is refused with what was expected: %.40j', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })

  it('is refused where there is none', () => {
    expect(() => readOwnDocument(join(folder, 'none'))).toThrow('cannot be read (ENOENT)')
    expect(() => readOwnDocument(folder)).toThrow('cannot be read (EISDIR)')
  })
})
