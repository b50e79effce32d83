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

/** So many tables in each other, and as many lists again. */
function nested(levels: number): string {
  return `${'{"a":['.repeat(levels / 2)}${']}'.repeat(levels / 2)}`
}

/** A long text, and as many names for it as may be. */
function aliases(): string {
  const names = Array.from({ length: 99 }, (_, i) => `x${i}: *long\n`).join('')
  return `openapi: 3.1.0\npaths: {}\nx: &long ${'a'.repeat(200_000)}\n${names}`
}

/** A long path, and many that refer to it. */
function references(): string {
  const paths = Array.from({ length: 1000 }, (_, i) => [`/x${i}`, { $ref: '#/paths/~1long' }])
  const long = { get: { description: 'a'.repeat(50_000) } }
  return JSON.stringify({ openapi: '3.1.0', paths: { '/long': long, ...Object.fromEntries(paths) } })
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
    ['openapi: 3.1.0\npaths: {}\npaths: {}', 'expected JSON or YAML'],
    [`{"openapi":"3.1.0","paths":${'['.repeat(200_000)}`, 'expected JSON or YAML'],
    [`{"openapi":"3.1.0","paths":{"/x":${nested(256)}}}`, 'expected at most 256 levels'],
    [`{"openapi":"3.1.0","paths":{"/x":${nested(500_000)}}}`, 'expected at most 256 levels'],
    [`openapi: 3.1.0\npaths: {}\nx: ${nested(300)}`, 'expected at most 256 levels'],
    [aliases(), 'expected at most 16 MiB with its anchors filled in'],
    [references(), 'expected at most 16 MiB with its references between paths filled in'],
    [' '.repeat(4 * 1024 * 1024 + 1), 'expected at most 4 MiB'],
  ])('is refused with what was expected: %.40j', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })

  it('may be as deep as is far from too deep', () => {
    expect(() => read(`{"openapi":"3.1.0","paths":{"/x":${nested(254)}}}`)).not.toThrow()
  })

  it('may be as long as any, in either form', () => {
    const names = Array.from({ length: 20_000 }, (_, i) => `S${i}`)
    const schemas = Object.fromEntries(names.map((name) => [name, { type: 'string' }]))
    const document = { openapi: '3.1.0', paths: {}, components: { schemas } }
    expect(read(JSON.stringify(document))).toEqual(document)
    const lines = names.map((name) => `    ${name}: { type: string }\n`)
    const text = `openapi: 3.1.0\npaths: {}\ncomponents:\n  schemas:\n${lines.join('')}`
    expect(read(text)).toEqual(document)
  })

  it('is refused where there is none', () => {
    expect(() => readOwnDocument(join(folder, 'none'))).toThrow('cannot be read (ENOENT)')
    expect(() => readOwnDocument(folder)).toThrow('cannot be read (EISDIR)')
  })
})
