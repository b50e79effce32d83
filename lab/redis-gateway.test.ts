import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findL402Challenges } from '@turnpike/l402'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../packages/gateway/src/main.ts'
import { type TestIo, temporaryFolder, testIo } from '../packages/gateway/test/test-io.ts'
import { hasRedis, type RedisServer, startRedis } from './lib/redis.ts'

const title = hasRedis ? 'gateways on one Redis' : 'SKIPPED: redis-server is not installed'

const config = (store: string): string => `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
store: "${store}"
lightning: sandbox
challenges: { limit: off }
services:
  weather:
    upstream: sample
    routes:
      - { match: POST /query, price: 25 sat, grants: { calls: 20 } }
`

interface Running {
  readonly io: TestIo
  readonly url: string
  readonly admin: string
  stop(): Promise<number>
}

describe.skipIf(!hasRedis)(title, () => {
  let server: RedisServer
  const folder = temporaryFolder()
  const gateways: Running[] = []
  beforeAll(async () => {
    server = await startRedis(['--appendfsync', 'everysec'])
    writeFileSync(join(folder, 'turnpike.yaml'), config(server.url))
    expect(await run(['keys', 'new'], testIo(folder))).toBe(0)
    for (const name of ['a', 'b', 'c', 'd']) gateways.push(await serve(name))
  })
  afterAll(async () => {
    for (const gateway of gateways) await gateway.stop()
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  async function serve(name: string): Promise<Running> {
    const io = testIo(folder)
    const done = run(['serve', '--sandbox', '--ready-file', `${name}.json`], io)
    const ended = await Promise.race([io.seen('"serving"'), done])
    if (ended !== undefined) throw new Error(`ended with ${ended}: ${io.err()}`)
    const { listen, admin } = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))
    return {
      io,
      url: listen[0],
      admin,
      async stop() {
        io.signal('SIGTERM')
        return await done
      },
    }
  }

  it('serve a bundle exactly as often as it was sold, wherever it is asked for', async () => {
    const [first] = gateways
    if (first === undefined) throw new Error('no gateway')
    const query = { method: 'POST', body: 'why?' }
    const refused = await fetch(`${first.url}/query`, query)
    const [challenge] = findL402Challenges([refused.headers.get('www-authenticate') ?? ''])
    const paid = await fetch(`${first.admin}/sandbox/v1/pay`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ invoice: challenge?.invoice }),
    })
    const { preimage } = (await paid.json()) as { preimage: string }
    const headers = { authorization: `L402 ${challenge?.macaroon}:${preimage}` }
    const statuses = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const answer = await fetch(`${gateways[i % 4]?.url}/query`, { ...query, headers })
        await answer.text()
        return answer.status
      }),
    )
    expect(statuses.filter((status) => status === 200)).toHaveLength(20)
    expect(statuses.filter((status) => status === 402)).toHaveLength(40)
  })

  it('answer 503 while it is gone, and serve again by themselves when it is back', async () => {
    const [first] = gateways
    const ready = async (): Promise<number> => (await fetch(`${first?.admin}/readyz`)).status
    await server.kill()
    expect(await ready()).toBe(503)
    await server.start()
    await expect.poll(ready).toBe(200)
  })

  it('log what the server may lose', () => {
    for (const { io } of gateways) expect(io.err()).toContain('Redis runs with \\"appendfsync everysec\\"')
  })
})
