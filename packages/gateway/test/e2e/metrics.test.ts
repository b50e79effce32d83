import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask, sendRaw } from './client.ts'
import { buy, cleanUp, configOf, folderWith, type Program, serve } from './program.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

let gateway: Program
beforeAll(async () => {
  const upstream = await startUpstream()
  gateway = await serve(folderWith(configOf({ upstream: upstream.origin })))
})
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]Inf|[-+0-9.e]+)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y

/** Reads the text format strictly; throws for what it does not allow. */
function parseExposition(text: string): { samples: Sample[]; types: Map<string, string> } {
  const types = new Map<string, string>()
  const samples: Sample[] = []
  const seen = new Set<string>()
  expect(text.endsWith('\n')).toBe(true)
  for (const line of text.split('\n')) {
    const meta = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line)
    if (meta?.[1] === 'TYPE') types.set(meta[2] ?? '', meta[3] ?? '')
    if (line === '' || meta !== null) continue
    const parts = SAMPLE.exec(line)
    if (parts === null) throw new Error(`not a sample: ${line}`)
    const [, name = '', inner = '', value] = parts
    const labels: Record<string, string> = {}
    LABEL.lastIndex = 0
    while (LABEL.lastIndex < inner.length) {
      const label = LABEL.exec(inner)
      if (label === null) throw new Error(`not labels: ${line}`)
      labels[label[1] ?? ''] = label[2] ?? ''
    }
    const key = `${name}{${inner}}`
    if (seen.has(key)) throw new Error(`twice: ${key}`)
    seen.add(key)
    const family = name.replace(/_(?:bucket|sum|count)$/, '')
    if (!types.has(name) && !types.has(family)) throw new Error(`no type: ${line}`)
    samples.push({ name, labels, value: Number(value?.replace('Inf', 'Infinity')) })
  }
  return { samples, types }
}

const scrape = async () => parseExposition((await ask(gateway.admin, 'GET', '/metrics')).body)

it('a scrape is in the text format, its histograms hold together, and each metric is explained', async () => {
  const { authorization } = await buy(gateway, '/paid/x')
  await ask(gateway.url, 'GET', '/paid/x', { headers: { Authorization: authorization } })
  await ask(gateway.url, 'GET', '/free/x')
  const { samples, types } = await scrape()
  const documented = readFileSync(resolve(import.meta.dirname, '../../../../docs/metrics.md'), 'utf8')
  for (const [name, type] of types) {
    if (!name.startsWith('turnpike_')) continue
    expect(documented).toContain(`| \`${name}\` | ${type} |`)
    if (type === 'counter') expect(name).toMatch(/_total$/)
    if (type !== 'histogram') continue
    const counts = samples.filter((sample) => sample.name === `${name}_count`)
    for (const { labels, value } of counts) {
      const same = (sample: Sample): boolean =>
        Object.entries(labels).every(([label, found]) => sample.labels[label] === found)
      const buckets = samples.filter((sample) => sample.name === `${name}_bucket` && same(sample))
      const values = buckets.map((bucket) => bucket.value)
      expect(values).toEqual(values.toSorted((a, b) => a - b))
      expect(buckets.at(-1)).toMatchObject({ labels: { le: '+Inf' }, value })
    }
  }
  const value = (name: string, labels: object = {}): number | undefined =>
    samples.find(
      (sample) => sample.name === name && Object.entries(labels).every(([k, v]) => sample.labels[k] === v),
    )?.value
  expect(value('turnpike_upstream_seconds_count', { service: 'demo', route: '/paid/*' })).toBe(1)
  expect(value('turnpike_lightning_seconds_count', { operation: 'create_invoice' })).toBe(1)
  expect(value('turnpike_ledger_batch_seconds_count')).toBeGreaterThan(0)
  expect(value('turnpike_verdict_lookups_total', { result: 'miss' })).toBe(1)
})

it('no path, method, host, header or credential makes a series', async () => {
  const marker = 'zzhostile'
  for (let i = 0; i < 30; i++) {
    const name = `${marker}${i}`
    await ask(gateway.url, 'GET', `/${name}`)
    await ask(gateway.url, 'GET', `/free/${name}?${name}`, {
      headers: { Host: `${name}.example`, 'X-A': name },
    })
    await ask(gateway.url, 'GET', '/paid/x', { headers: { Authorization: `L402 ${name}:${'0'.repeat(64)}` } })
    await sendRaw(
      gateway.port,
      `${marker.toUpperCase()} /free/x HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`,
    )
    await sendRaw(
      gateway.port,
      `PROPFIND /paid/${name} HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`,
    )
  }
  const { samples } = await scrape()
  const allowed: Readonly<Record<string, RegExp>> = {
    service: /^(demo)?$/,
    route: /^(\/free\/\*|\/pass\/\*|\/paid\/\*)?$/,
    outcome: /^(free|paid|replayed|refused|answered|failed|aborted)$/,
    code: /^[0-9]xx$/,
    reason: /^[a-z_]+$/,
    operation: /^[a-z_]+$/,
    result: /^(hit|miss)$/,
    le: /^(\+Inf|[0-9.]+)$/,
  }
  const own = samples.filter(({ name }) => name.startsWith('turnpike_'))
  for (const { labels } of own)
    for (const [label, found] of Object.entries(labels))
      expect(found).toMatch(allowed[label] ?? /^unexpected label$/)
  expect(JSON.stringify(samples).toLowerCase()).not.toContain(marker)
  expect(own.length).toBeLessThan(400)
})
