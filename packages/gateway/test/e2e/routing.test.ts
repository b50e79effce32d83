// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the file's own variables are the subject
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, until } from './client.ts'
import { buy, cleanUp, configOf, folderWith, type Program, run, serve, start } from './program.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

afterEach(async () => {
  await cleanUp()
  await closeUpstreams()
})

async function reload(gateway: Program): Promise<void> {
  const sign = 'configuration reloaded'
  const before = gateway.output().split(sign).length
  gateway.signal('SIGHUP')
  await until(() => gateway.output().split(sign).length > before, `it says "${sign}"`)
}

describe('a service with several upstreams', () => {
  it('goes on with the one that is left; metrics and /readyz tell of the others', async () => {
    const [a, b] = [await startUpstream(), await startUpstream()]
    const upstream = `["${a.origin}", "${b.origin}"]`
    const gateway = await start({ upstream, service: 'eject: { failures: 1, for: 1h }' })
    const { authorization } = await buy(gateway, '/pass/x')
    const fetched = async (): Promise<number> =>
      (await ask(gateway.url, 'GET', '/pass/x', { headers: { Authorization: authorization } })).status
    await a.close()
    for (let i = 0; i < 4; i++) expect(await fetched()).toBe(200)
    expect(b.seen.length).toBe(4)
    const metrics = (await ask(gateway.admin, 'GET', '/metrics')).body
    expect(metrics).toContain(`turnpike_upstream_up{service="demo",upstream="${a.origin}"} 0\n`)
    expect(metrics).toContain(`turnpike_upstream_up{service="demo",upstream="${b.origin}"} 1\n`)
    expect(JSON.parse((await ask(gateway.admin, 'GET', '/readyz')).body)).not.toHaveProperty(
      'noHealthyUpstream',
    )
    await b.close()
    expect(await fetched()).toBe(502)
    const ready = await ask(gateway.admin, 'GET', '/readyz')
    expect([ready.status, JSON.parse(ready.body).noHealthyUpstream]).toEqual([200, ['demo']])
  })
})

describe('header values', () => {
  it('come from the environment and from files, anew with each reload, and stand in no output', async () => {
    const upstream = await startUpstream()
    const folder = folderWith(
      configOf({
        upstream: upstream.origin,
        service:
          'headers: { request: { set: { Authorization: "Basic ${UPSTREAM_KEY}", X-Key: { file: key } } }, response: { set: { X-Served-By: turnpike } } }',
      }),
    )
    writeFileSync(join(folder, 'key'), 'first-secret-key\n')
    const missing = await run(folder, ['check'])
    expect([missing.code, missing.err]).toEqual([
      78,
      expect.stringContaining('the environment variable UPSTREAM_KEY is not set'),
    ])
    const gateway = await serve(folder, { env: { UPSTREAM_KEY: 'secret-of-the-upstream' } })
    const { authorization } = await buy(gateway, '/pass/x')
    const fetched = await ask(gateway.url, 'GET', '/pass/x', {
      headers: { Authorization: authorization, 'x-key': 'theirs' },
    })
    expect([fetched.status, fetched.header('x-served-by')]).toEqual([200, 'turnpike'])
    expect(upstream.seen.at(-1)?.headers).toMatchObject({
      authorization: 'Basic secret-of-the-upstream',
      'x-key': 'first-secret-key',
    })
    writeFileSync(join(folder, 'key'), 'second-secret-key\n')
    await reload(gateway)
    await ask(gateway.url, 'GET', '/free/x')
    expect(upstream.seen.at(-1)?.headers['x-key']).toBe('second-secret-key')
    writeFileSync(join(folder, 'key'), 'a line\nand another\n')
    gateway.signal('SIGHUP')
    await until(() => gateway.output().includes('not reloaded'), 'it is not reloaded')
    await ask(gateway.url, 'GET', '/free/x')
    expect(upstream.seen.at(-1)?.headers['x-key']).toBe('second-secret-key')
    expect(gateway.output()).not.toMatch(/secret-key|secret-of|and another/)
  })
})

describe('files', () => {
  it('are sold: a missing one costs nothing, one that is there a call', async () => {
    const folder = folderWith(
      configOf({ service: 'rewrite: { stripPrefix: /paid }' }).replace('upstream: sample', 'static: public'),
    )
    mkdirSync(join(folder, 'public'))
    writeFileSync(join(folder, 'public/report.csv'), 'a,b\n')
    const gateway = await serve(folder)
    const { authorization } = await buy(gateway, '/paid/report.csv')
    const fetched = async (path: string): Promise<unknown[]> => {
      const answer = await ask(gateway.url, 'GET', path, { headers: { Authorization: authorization } })
      return [answer.status, answer.header('content-type'), answer.header('ratelimit')]
    }
    expect(await fetched('/paid/none.csv')).toEqual([404, 'application/problem+json', ''])
    expect(await fetched('/paid/report.csv')).toEqual([200, 'text/csv; charset=utf-8', '"calls";r=2'])
    expect(await fetched('/paid/report.csv')).toEqual([200, 'text/csv; charset=utf-8', '"calls";r=1'])
  })
})

describe('routes by header', () => {
  it('sell at their own price, and the cheap credential does not open the dear one', async () => {
    const upstream = await startUpstream()
    const gateway = await start({
      upstream: upstream.origin,
      routes: [
        '{ match: "POST /chat", price: 9 sat, grants: { valid: 1h }, matchHeaders: { X-Model: large } }',
        '{ match: "POST /chat", price: 1 sat, grants: { valid: 1h } }',
      ],
    })
    const { authorization } = await buy(gateway, '/chat', {}, 'POST')
    const posted = async (headers: Record<string, string>): Promise<number> =>
      (await ask(gateway.url, 'POST', '/chat', { headers: { Authorization: authorization, ...headers } }))
        .status
    expect(await posted({ 'X-Model': 'small' })).toBe(200)
    expect([401, 402]).toContain(await posted({ 'X-Model': 'large' }))
    const unpaid = await ask(gateway.url, 'POST', '/chat', { headers: { 'X-Model': 'large' } })
    expect(JSON.parse(unpaid.body).priceSats).toBe(9)
    expect(upstream.seen).toHaveLength(1)
  })
})
