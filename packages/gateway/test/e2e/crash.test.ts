import type { Agent } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, keptConnections, open, readUntil, until } from './client.ts'
import { type Bought, buy, cleanUp, configOf, folderWith, type Program, serve } from './program.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

const agents: Agent[] = []
afterEach(async () => {
  for (const agent of agents.splice(0)) agent.destroy()
  await cleanUp()
  await closeUpstreams()
})

/** What the client knows of its uses of one credential. */
interface Tally {
  readonly bought: Bought
  /** Answered 2xx, whole or not. */
  served: number
  /** Sent, and no answer came. */
  unknown: number
}

/** Uses credentials on several connections until the gateway is gone or refuses all of them. */
async function load(url: string, tallies: readonly Tally[], connections: number): Promise<void> {
  const agent = keptConnections(connections)
  agents.push(agent)
  const spent = new Set<Tally>()
  const worker = async (from: number): Promise<void> => {
    for (let i = from; spent.size < tallies.length; i++) {
      const tally = tallies[i % tallies.length] as Tally
      if (spent.has(tally)) continue
      try {
        const headers = { Authorization: tally.bought.authorization }
        const { status } = await ask(url, 'GET', '/paid/x', { headers, agent })
        if (status === 200) tally.served++
        else if (status === 402) spent.add(tally)
        else throw new Error(`status ${status}`)
      } catch (error) {
        tally.unknown++
        if (String(error).includes('status')) throw error
        return
      }
    }
  }
  await Promise.all(Array.from({ length: connections }, (_, i) => worker(i)))
}

/** Uses a credential until it is refused; how often it opened. */
async function drain(url: string, { authorization }: Bought): Promise<number> {
  for (let uses = 0; ; uses++) {
    const { status } = await ask(url, 'GET', '/paid/x', { headers: { Authorization: authorization } })
    if (status === 402) return uses
    expect(status).toBe(200)
  }
}

const bundle = (calls: number): string[] => [
  `{ match: "/paid/*", price: 1 sat, grants: { calls: ${calls} } }`,
]

describe('killed at a random moment under load', () => {
  const CALLS = 30
  // A quarter of the answers come in pieces, so that some are cut off in the middle.
  const upstreamAnswer: Parameters<typeof startUpstream>[0] = (_, res) => {
    if (Math.random() < 0.75) {
      res.end('{"ok":true}')
      return
    }
    res.write('{"ok":')
    setImmediate(() => res.end('true}'))
  }

  it.each([10, 45, 90])('after %d answers: nothing free, nothing lost, nothing stuck', async (answers) => {
    const upstream = await startUpstream(upstreamAnswer)
    const folder = folderWith(configOf({ upstream: upstream.origin, routes: bundle(CALLS) }))
    const first = await serve(folder)
    const tallies: Tally[] = []
    for (let i = 0; i < 4; i++) tallies.push({ bought: await buy(first, '/paid/x'), served: 0, unknown: 0 })
    const loaded = load(first.url, tallies, 12)
    await until(() => tallies.reduce((sum, { served }) => sum + served, 0) >= answers, 'some were served')
    await first.kill()
    await loaded
    const second = await serve(folder)
    const rest = await Promise.all(tallies.map(({ bought }) => drain(second.url, bought)))
    for (const [i, { served, unknown }] of tallies.entries()) {
      const left = rest[i] ?? 0
      expect(served + left).toBeLessThanOrEqual(CALLS)
      expect(served + unknown + left).toBeGreaterThanOrEqual(CALLS)
    }
    expect((await second.stop()).code).toBe(0)
  })

  it('again and again on one store', async () => {
    const upstream = await startUpstream(upstreamAnswer)
    const folder = folderWith(configOf({ upstream: upstream.origin, routes: bundle(70) }))
    let gateway = await serve(folder)
    const tally: Tally = { bought: await buy(gateway, '/paid/x'), served: 0, unknown: 0 }
    for (let round = 1; round <= 3; round++) {
      const loaded = load(gateway.url, [tally], 8)
      const wanted = tally.served + 15
      await until(() => tally.served >= wanted, 'some were served')
      await gateway.kill()
      await loaded
      gateway = await serve(folder)
    }
    const left = await drain(gateway.url, tally.bought)
    expect(tally.served + left).toBeLessThanOrEqual(70)
    expect(tally.served + tally.unknown + left).toBeGreaterThanOrEqual(70)
  })
})

describe('killed in the middle of one request', () => {
  async function killedWhile(
    until: (gateway: Program, bought: Bought) => Promise<void>,
    upstream: Awaited<ReturnType<typeof startUpstream>>,
  ): Promise<number> {
    const folder = folderWith(configOf({ upstream: upstream.origin, routes: bundle(1) }))
    const first = await serve(folder)
    const bought = await buy(first, '/paid/x')
    await until(first, bought)
    await first.kill()
    const second = await serve(folder)
    const headers = { Authorization: bought.authorization }
    return (await ask(second.url, 'GET', '/paid/y', { headers })).status
  }

  it('before the upstream answered: the call is there again at once', async () => {
    const upstream = await startUpstream((req, res) => {
      if (req.url === '/paid/y') res.end()
    })
    const status = await killedWhile(async (gateway, { authorization }) => {
      const socket = open(gateway.port)
      socket.write(`GET /paid/x HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\n\r\n`)
      await until(() => upstream.seen.length === 1, 'the upstream was asked')
    }, upstream)
    expect(status).toBe(200)
  })

  it('when the client had seen some of the answer: the call is used', async () => {
    const upstream = await startUpstream((_, res) => void res.writeHead(200).write('begun'))
    const status = await killedWhile(async (gateway, { authorization }) => {
      const socket = open(gateway.port)
      socket.write(`GET /paid/x HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\n\r\n`)
      await readUntil(socket, /begun/)
    }, upstream)
    expect(status).toBe(402)
  })
})

describe('two gateways on one store and one key', () => {
  it('sell one credential for both, and it opens exactly as often as was paid for', async () => {
    const upstream = await startUpstream()
    const folder = folderWith(configOf({ upstream: upstream.origin, routes: bundle(60) }))
    const both = await Promise.all([serve(folder), serve(folder)])
    const tally: Tally = { bought: await buy(both[0], '/paid/x'), served: 0, unknown: 0 }
    await Promise.all(both.map(({ url }) => load(url, [tally], 8)))
    expect({ served: tally.served, unknown: tally.unknown }).toEqual({ served: 60, unknown: 0 })
    expect(upstream.seen).toHaveLength(60)
  })

  it('one is killed: the other gives back what it held', async () => {
    const upstream = await startUpstream((req, res) => {
      if (req.url !== '/paid/stuck') res.end()
    })
    const folder = folderWith(configOf({ upstream: upstream.origin, routes: bundle(1) }))
    const [one, other] = await Promise.all([serve(folder), serve(folder)])
    const { authorization } = await buy(one, '/paid/x')
    const socket = open(one.port)
    socket.write(`GET /paid/stuck HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\n\r\n`)
    await until(() => upstream.seen.length === 1, 'the upstream was asked')
    const use = async (): Promise<number> =>
      (await ask(other.url, 'GET', '/paid/x', { headers: { Authorization: authorization } })).status
    expect(await use()).toBe(402)
    await one.kill()
    await until(async () => (await use()) === 200, 'the call is there again')
    expect(await use()).toBe(402)
  })
})
