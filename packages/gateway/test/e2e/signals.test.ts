import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, keptConnections, open, readAll, readUntil, until } from './client.ts'
import { buy, cleanUp, configOf, folderWith, type Program, serve, start } from './program.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

afterEach(async () => {
  await cleanUp()
  await closeUpstreams()
})

/** Whether a new connection is taken. */
function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true) ?? socket.destroy()).once('error', () => resolve(false))
  })
}

const get = (target: string, more = ''): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n${more}\r\n`

describe('SIGTERM', () => {
  it('lets a slow download finish, takes no new connection, and ends with 0', async () => {
    let finish = (): void => {}
    const upstream = await startUpstream((req, res) => {
      if (req.url !== '/paid/slow') return void res.end('ok')
      res.write('begun ')
      finish = () => void res.end('done')
    })
    const gateway = await start({ upstream: upstream.origin })
    const { authorization } = await buy(gateway, '/paid/x')
    const slow = open(gateway.port)
    slow.write(get('/paid/slow', `Authorization: ${authorization}\r\n`))
    await readUntil(slow, /begun/)
    const idle = open(gateway.port)
    idle.write(get('/free/x'))
    await readUntil(idle, /ok/)

    gateway.signal('SIGTERM')
    await until(async () => !(await connects(gateway.port)), 'no connection is taken')
    const ready = await ask(gateway.admin, 'GET', '/readyz')
    expect([ready.status, JSON.parse(ready.body).status]).toEqual([503, 'draining'])
    const rest = readAll(slow)
    finish()
    expect(await rest).toContain('done')
    const { code, signal: by } = await gateway.ended
    expect([code, by]).toEqual([0, null])

    const again = await serve(gateway.folder)
    const left = await ask(again.url, 'GET', '/paid/x', { headers: { Authorization: authorization } })
    expect(left.header('ratelimit')).toBe('"calls";r=1')
  })
})

describe('draining', () => {
  it('ends after drainTimeout whatever still runs, and gives back what was not served', async () => {
    const upstream = await startUpstream((req, res) => {
      if (req.url !== '/paid/stuck') res.end('ok')
    })
    const gateway = await start({ upstream: upstream.origin, top: 'drainTimeout: 1s' })
    const { authorization } = await buy(gateway, '/paid/x')
    const stuck = open(gateway.port)
    stuck.write(get('/paid/stuck', `Authorization: ${authorization}\r\n`))
    const trickling = open(gateway.port)
    trickling.write('GET /free/x HTTP/1.1\r\nHost:')
    await until(() => upstream.seen.length === 1, 'the upstream was asked')
    gateway.signal('SIGINT')
    expect((await gateway.ended).code).toBe(0)
    const again = await serve(gateway.folder)
    const next = await ask(again.url, 'GET', '/paid/x', { headers: { Authorization: authorization } })
    expect([next.status, next.header('ratelimit')]).toEqual([200, '"calls";r=2'])
  })

  it('a second signal ends it at once', async () => {
    const upstream = await startUpstream(() => {})
    const gateway = await start({ upstream: upstream.origin })
    open(gateway.port).write(get('/free/x'))
    await until(() => upstream.seen.length === 1, 'the upstream was asked')
    gateway.signal('SIGTERM')
    await until(() => gateway.output().includes('draining'), 'it drains')
    expect((await gateway.stop()).code).toBe(1)
  })

  it('under load: every request that was taken is answered whole', async () => {
    const upstream = await startUpstream()
    const gateway = await start({ upstream: upstream.origin })
    const agent = keptConnections(16)
    let answered = 0
    const faults: string[] = []
    const worker = async (): Promise<void> => {
      for (;;) {
        try {
          const { status, body } = await ask(gateway.url, 'GET', '/free/x', { agent })
          expect([status, body]).toEqual([200, '{"ok":true}'])
          answered++
        } catch (error) {
          faults.push(error instanceof Error && 'code' in error ? String(error.code) : String(error))
          return
        }
      }
    }
    const workers = Promise.all(Array.from({ length: 16 }, worker))
    await until(() => answered > 200, 'some were answered')
    expect((await gateway.stop()).code).toBe(0)
    await workers
    agent.destroy()
    // A kept connection may close just when the next request is sent; none is cut off in its answer.
    for (const fault of faults) expect(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']).toContain(fault)
    expect(upstream.seen.length).toBe(answered)
  })
})

describe('SIGHUP', () => {
  const reloaded = async (gateway: Program, text: string, sign: string): Promise<void> => {
    writeFileSync(join(gateway.folder, 'turnpike.yaml'), text)
    const before = gateway.output().split(sign).length
    gateway.signal('SIGHUP')
    await until(() => gateway.output().split(sign).length > before, `it says "${sign}"`)
  }

  it('takes new routes and prices at once; a bad file changes nothing and is told by line and column', async () => {
    const upstream = await startUpstream()
    const gateway = await serve(folderWith(configOf({ upstream: upstream.origin })))
    const status = async (path: string, authorization = ''): Promise<number> =>
      (await ask(gateway.url, 'GET', path, { headers: { Authorization: authorization } })).status
    const { authorization } = await buy(gateway, '/pass/x')
    for (const bad of [configOf({ store: 'no' }), '', '\xff', 'services: {']) {
      await reloaded(gateway, bad, 'not reloaded')
      expect(await status('/free/x')).toBe(200)
    }
    expect(gateway.output()).toMatch(/not reloaded[^\n]*turnpike\.yaml:3:8: store/)

    const routes = [
      '{ match: "/pass/*", price: 20 sat, grants: { valid: 1h } }',
      '{ match: "/free/*", price: 1 sat }',
    ]
    await reloaded(gateway, configOf({ upstream: upstream.origin, routes }), 'configuration reloaded')
    expect(await status('/free/x')).toBe(402)
    expect(await status('/paid/x')).toBe(404)
    // What was sold before is still good; what is sold now costs more.
    expect(await status('/pass/x', authorization)).toBe(200)
    expect(JSON.parse((await ask(gateway.url, 'GET', '/pass/x')).body).priceSats).toBe(20)
    expect((await gateway.stop()).code).toBe(0)
  })

  it('while requests run: none is lost', async () => {
    const upstream = await startUpstream()
    const text = configOf({ upstream: upstream.origin })
    const gateway = await serve(folderWith(text))
    const agent = keptConnections(8)
    let going = true
    const statuses = new Set<number>()
    const workers = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (going) statuses.add((await ask(gateway.url, 'GET', '/free/x', { agent })).status)
      }),
    )
    for (let i = 0; i < 10; i++) await reloaded(gateway, `${text}\n# ${i}`, 'configuration reloaded')
    going = false
    await workers
    agent.destroy()
    expect([...statuses]).toEqual([200])
  })
})

it('its own key file stays as it is', async () => {
  const folder = folderWith(configOf())
  const before = readFileSync(join(folder, 'turnpike.key'), 'utf8')
  await (await serve(folder)).stop()
  expect(readFileSync(join(folder, 'turnpike.key'), 'utf8')).toBe(before)
})
