// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the file's own variables are the subject
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { faultsOf, route, top } from './load.test-suite.ts'

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
