// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the file's own variables are the subject
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfigError } from './issue.ts'
import { parseConfig } from './load.ts'

function faultsOf(text: string, env: Record<string, string> = {}): string[] {
  try {
    parseConfig(text, { file: 'turnpike.yaml', folder: '/etc/turnpike', env, sandbox: false })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    expect(error.exitCode).toBe(78)
    return error.message.split('\n')
  }
}

/** A whole file around one route. */
const route = (body: string): string => `lightning: sandbox
services:
  weather:
    upstream: http://127.0.0.1:9000
    routes:
      - ${body}
`
/** A whole file around one top-level line. */
const top = (line: string): string => `${line}
lightning: sandbox
services: { a: { upstream: "http://127.0.0.1:9000", routes: [{ match: /x, price: 1 sat }] } }
`

describe('a hostile configuration', () => {
  it('never shows what came from the environment', () => {
    const secret = 'hunter2-very-secret'
    const keys = ['listen', 'network', 'lightning', 'store', 'drainTimeout']
    const places = [
      ...keys.map((key) =>
        top(`${key}: \${S}`).replace(/\nlightning: sandbox/, key === 'lightning' ? '' : '$&'),
      ),
      ...['match', 'price', 'timeout', 'free', 'capability'].map((key) => route(`{ "${key}": "\${S}" }`)),
      top('').replace('http://127.0.0.1:9000', 'ftp://${S}'),
      top('log: { level: "${S}" }'),
      top('challenges: { limit: "${S}", exempt: ["${S}"] }'),
    ]
    for (const text of places) {
      const faults = faultsOf(text, { S: secret })
      expect(faults).not.toEqual([])
      expect(faults.join('\n')).not.toContain('hunter2')
    }
  })

  it('throws nothing but a configuration error, whatever the text', () => {
    const pieces = fc.constantFrom(
      'services:',
      '\n',
      '  ',
      'a: ',
      '[',
      ']',
      '{',
      '}',
      '&a ',
      '*a',
      '!!x ',
      '"',
      '- ',
      '${',
      '<<: ',
      'lightning: sandbox',
      '\0',
      '? ',
      'routes',
      '|\n',
      '...',
      '---\n',
      'match: /x',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((list) => list.join('')),
        ),
        (text) => {
          for (const line of faultsOf(text)) expect(line).toMatch(/^turnpike\.yaml:\d+:\d+: .*$/)
        },
      ),
      { examples: [['? |\n  services:']] },
    )
  })
})
