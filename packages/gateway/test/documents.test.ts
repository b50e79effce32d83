import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { initialConfig } from '../src/commands/initial-config.ts'
import { parseConfig } from '../src/config/load.ts'
import { fileSchema, routeSchema, serviceSchema } from '../src/config/schema.ts'
import { configWarnings } from '../src/config/warnings.ts'

const root = join(import.meta.dirname, '../../..')

/** The configurations that a document shows. */
function shown(document: string): string[] {
  const text = readFileSync(join(root, document), 'utf8')
  return [...text.matchAll(/^```yaml\n(.*?)^```/gms)].map((block) => block[1] ?? '')
}

const load = (text: string) =>
  parseConfig(text, { file: 'turnpike.yaml', folder: root, env: {}, sandbox: true, serves: false })

describe.each([
  'README.md',
  'docs/entitlements.md',
  'docs/forward-auth.md',
  'docs/gateway.md',
  'docs/pricing.md',
  'docs/sessions.md',
  'packages/gateway/README.md',
])('the configurations in %s', (document) => {
  it.each(shown(document).map((text, index) => [index + 1, text] as const))(
    'are right: number %i',
    (_, text) => {
      expect(configWarnings(load(text))).toEqual([])
    },
  )
})

it('the configuration that proxies are shown with is right', () => {
  const text = readFileSync(join(root, 'examples/forward-auth/turnpike.yaml'), 'utf8')
  expect(configWarnings(load(text))).toEqual([])
})

it('the configurations for each way to sell are there: a call, a bundle, a pass, credit', () => {
  const routes = shown('docs/entitlements.md').flatMap((text) =>
    load(text).services.flatMap((service) => service.routes),
  )
  const kinds = routes.map(({ grants }) => Object.keys(grants).join('+'))
  expect(new Set(kinds)).toEqual(new Set(['calls', 'validSeconds', 'creditMsat']))
})

it('the metered route that "turnpike init" shows is right where its comment signs are taken away', () => {
  const text = initialConfig.replaceAll(
    /^( +)# (- match: POST \/v1| {2}(?:price: 500|grants: \{ credit|charge:))/gm,
    '$1$2',
  )
  const [weather] = load(text).services
  expect(weather?.routes.some(({ charge }) => charge?.usage?.shape === 'openai')).toBe(true)
})

it('what "turnpike init" writes names every key of the file, of services and of routes', () => {
  const keys = [fileSchema, serviceSchema, routeSchema].flatMap((schema) => Object.keys(schema.shape))
  expect(keys.length).toBeGreaterThan(50)
  expect(keys.filter((key) => !new RegExp(`\\b${key}\\b`).test(initialConfig))).toEqual([])
})

it('each line that "turnpike init" shows is right where its comment sign is taken away', () => {
  const lines = initialConfig.match(/^ *# [a-z][a-zA-Z]+: .*$/gm) ?? []
  const whole = lines.filter(
    (line) => !/^ *# (?:tls|upstreamTls|protocol|static|aperture|price|grants|charge|match):/.test(line),
  )
  // The others need files, another upstream, or the lines around them.
  expect(whole.length).toBeGreaterThan(20)
  for (const line of whole) {
    const key = /# ([a-zA-Z]+):/.exec(line)?.[1] ?? ''
    const inForce = line.replace(/^( *)# /, '$1')
    // In place of the line with this key, where there is one.
    const without = initialConfig.replace(new RegExp(`^${/^ */.exec(line)?.[0]}${key}: .*$`, 'm'), '')
    const where = { file: 'turnpike.yaml', folder: root, env: { API_KEY: 'k' }, sandbox: false }
    expect(() => parseConfig(without.replace(line, inForce), where), line).not.toThrow()
  }
})
