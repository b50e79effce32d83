/** What the tests of whole configuration files share. */

import { expect } from 'vitest'
import { ConfigError } from './issue.ts'
import { parseConfig } from './load.ts'

export const where = { file: 'turnpike.yaml', folder: '/etc/turnpike', env: {}, sandbox: false }

/** What is wrong with a file, a line each; it ends a program with 78. */
export function faultsOf(text: string, env: Record<string, string> = {}, sandbox = false): string[] {
  try {
    parseConfig(text, { ...where, env, sandbox })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    expect(error.exitCode).toBe(78)
    return error.message.split('\n')
  }
}

/** A whole file around one route. */
export const route = (body: string): string => `lightning: sandbox
services:
  weather:
    upstream: http://127.0.0.1:9000
    routes:
      - ${body}
`

/** A whole file around one top-level line. */
export const top = (line: string): string => `${line}
lightning: sandbox
services: { a: { upstream: "http://127.0.0.1:9000", routes: [{ match: /x, price: 1 sat }] } }
`
