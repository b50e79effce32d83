/** What the tests of wrong configurations share. Line 1 of every file says "lightning". */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Config } from './config.ts'
import { ConfigError } from './issue.ts'
import { parseConfig } from './load.ts'

export const SECRET = 'hunter2-very-secret'
/** Holds files that header values are read from. */
export let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'config-'))
  mkdirSync(join(folder, 'public'))
  writeFileSync(join(folder, 'key'), `${SECRET}\n`)
  writeFileSync(join(folder, 'two-lines'), `${SECRET}\nsecond\n`)
  writeFileSync(join(folder, 'bytes'), Buffer.from([0, 1, 254, 255]))
  writeFileSync(join(folder, 'long'), 'x'.repeat(20_000))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Reads a right configuration. */
export function read(text: string, env: Record<string, string> = {}): Config {
  return parseConfig(text, { file: 'turnpike.yaml', folder, env, sandbox: false })
}

/** What is wrong with a configuration. */
export function faultsOf(text: string, env: Record<string, string> = {}): string[] {
  try {
    read(text, env)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n')
  }
}

/** Line 3 of a file whose other lines are right. */
export const top = (line: string): string => `lightning: sandbox
services: { a: { upstream: "http://127.0.0.1:9000", routes: [{ match: /x, price: 1 sat }] } }
${line}
`
/** Line 6 is a key of the service. */
export const service = (
  line: string,
  upstream = 'upstream: http://127.0.0.1:9000',
): string => `lightning: sandbox
services:
  weather:
    ${upstream}
    routes: [{ match: /v1/*, price: 1 sat }]
    ${line}
`
/** The same with two upstreams. */
export const two = (line: string): string =>
  service(line, 'upstream: ["http://127.0.0.1:9000", "http://127.0.0.1:9001"]')
/** Line 5 is the first route. */
export const route = (body: string): string => `lightning: sandbox
services:
  weather:
    upstream: http://127.0.0.1:9000
    routes: [${body}]
`

/** What is wrong, a file with it, and the fault from its line on. */
export type WrongValue = readonly [what: string, text: string, fault: RegExp]

/** Each is told once, with its place and what was expected, and without the secret. */
export function tellsEach(cases: readonly WrongValue[]): void {
  it.each(cases)('%s', (_, text, fault) => {
    const found = faultsOf(text)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(/^turnpike\.yaml:\d+:\d+: /)
    expect(found[0]?.slice('turnpike.yaml:'.length)).toMatch(fault)
    expect(found[0]).toContain('expected ')
    expect(found[0]).not.toContain(SECRET)
  })
}
