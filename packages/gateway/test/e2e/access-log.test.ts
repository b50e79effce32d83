import { readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { ask, keptConnections, open, readAll, until } from './client.ts'
import { buy, cleanUp, configOf, folderWith, serve } from './program.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

afterEach(async () => {
  await cleanUp()
  await closeUpstreams()
})

const withAccess = (access: string, upstream: string, top = ''): string =>
  configOf({ upstream, top }).replace('requests: all', `requests: none, ${access}`)

it('has a line for each request, whose bytes are those of the body, and no query or credential', async () => {
  const upstream = await startUpstream(
    (req, res) => void res.end('x'.repeat(Number(/\d+/.exec(req.url ?? '')?.[0] ?? 0))),
  )
  const gateway = await serve(folderWith(withAccess('access: combined', upstream.origin)))
  const { authorization, macaroon } = await buy(gateway, '/pass/1')
  const agent = keptConnections(1)
  const sizes = [7, 1_000, 100_000, 0, 12]
  for (const size of sizes)
    await ask(gateway.url, 'GET', `/pass/${size}?key=qSecret`, {
      agent,
      headers: {
        Authorization: authorization,
        Referer: 'https://a.example/p?t=qSecret',
        'User-Agent': 'a"b',
      },
    })
  agent.destroy()
  const pipelined = open(gateway.port)
  const whole = readAll(pipelined)
  pipelined.write(
    'GET /free/5 HTTP/1.1\r\nHost: a\r\n\r\nGET /free/6 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  )
  await whole
  const { out } = await gateway.stop()
  const lines = out.trimEnd().split('\n')
  const found = lines.flatMap((line) => {
    const parts = /^127\.0\.0\.1 - - \[[^\]]+\] "GET (\/\w+\/\d+) HTTP\/1\.1" 200 (\d+) "(.*)" "(.*)"$/.exec(
      line,
    )
    return parts === null ? [] : [parts.slice(1)]
  })
  const page = 'https://a.example/p'
  expect(found).toEqual([
    ...sizes.map((size) => [`/pass/${size}`, String(size), page, 'a\\x22b']),
    ['/free/5', '5', '-', '-'],
    ['/free/6', '6', '-', '-'],
  ])
  expect(out).not.toContain('qSecret')
  expect(out).not.toContain(macaroon.slice(0, 40))
})

it('goes on in a new file after HUP and USR1, from two workers, without a lost or broken line', async () => {
  const upstream = await startUpstream()
  const text = withAccess('access: json, accessFile: access.log', upstream.origin, 'workers: 2')
  const gateway = await serve(folderWith(text))
  const file = join(gateway.folder, 'access.log')
  let asked = 0
  const load = async (): Promise<void> => {
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        for (let n = 0; n < 10; n++) await ask(gateway.url, 'GET', `/free/${i}-${n}-${'x'.repeat(300)}`)
      }),
    )
    asked += 80
  }
  const read = (name: string): string[] => readFileSync(name, 'utf8').split('\n').slice(0, -1)
  await load()
  const old: string[] = []
  for (const signal of ['SIGUSR1', 'SIGHUP'] as const) {
    const moved = `${file}.${signal}`
    renameSync(file, moved)
    old.push(moved)
    gateway.signal(signal)
    await until(async () => {
      await ask(gateway.url, 'GET', '/free/x')
      asked++
      try {
        return read(file).length > 0
      } catch {
        return false
      }
    }, 'there is a new file')
    await load()
  }
  expect((await gateway.stop()).code).toBe(0)
  const lines = [...old, file].flatMap(read)
  expect(lines).toHaveLength(asked)
  for (const line of lines)
    expect(JSON.parse(line)).toMatchObject({ client: '127.0.0.1', status: 200, bytes: 11 })
})
