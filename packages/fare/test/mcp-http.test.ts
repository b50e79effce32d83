import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { type Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Buyer, newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { type AgentSettings, called, LOCAL, newClient } from './support/mcp.ts'
import { startSeller } from './support/seller.ts'

const BIN = fileURLToPath(new URL('../bin/fare.js', import.meta.url))

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

interface Listening {
  readonly url: string
  readonly token: string
  readonly tokenFile: string
}

const children: ChildProcess[] = []
const clients: Client[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  for (const child of children.splice(0)) {
    child.kill('SIGTERM')
    if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve))
    expect(child.exitCode).toBe(0)
  }
})

async function startHttp(buyer: Buyer, ...args: readonly string[]): Promise<Listening> {
  const all = [BIN, '--sandbox', 'mcp', '--listen', '127.0.0.1:0', ...LOCAL, ...args]
  const child = spawn(process.execPath, all, { env: buyer.env, stdio: ['ignore', 'ignore', 'pipe'] })
  children.push(child)
  const said = await new Promise<string>((resolve) => {
    let all = ''
    child.stderr.on('data', (chunk) => {
      all += chunk
      if (all.includes('\n')) resolve(all)
    })
  })
  const [, url = '', tokenFile = ''] = /MCP at (\S+); the bearer token is in (\S+)/.exec(said) ?? []
  return { url, tokenFile, token: readFileSync(tokenFile, 'utf8').trim() }
}

async function connect(
  { url, token }: Listening,
  settings: AgentSettings,
  questions: string[] = [],
): Promise<Client> {
  const client = newClient(questions, settings)
  const headers = { authorization: `Bearer ${token}` }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  clients.push(client)
  return client
}

/** Sends exactly these headers; `fetch` would not. */
async function post(url: string, headers: Record<string, string>): Promise<{ status: number; body: string }> {
  const init = { method: 'POST', headers: { accept: 'application/json, text/event-stream', ...headers } }
  return await new Promise((resolve, reject) => {
    const sent = request(url, init, async (answer) => {
      resolve({ status: answer.statusCode ?? 0, body: await text(answer) })
    })
    sent.once('error', reject)
    sent.end('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
  })
}

describe.each(['2025', '2026'] as const)('fare mcp over HTTP, protocol of %s', (era) => {
  it('buys for a client that shows the token', async () => {
    const buyer = newBuyer(gateway.admin)
    const listening = await startHttp(buyer)
    const client = await connect(listening, { era })
    const before = await gateway.balanceMsat()
    const told = await called(client, 'fetch', { url: `${gateway.url}/once/http` })
    expect(told.data).toMatchObject({ ok: true, spentMsat: '10000' })
    expect(before - (await gateway.balanceMsat())).toBe(10_000n)
    expect(statSync(listening.tokenFile).mode & 0o777).toBe(0o600)
    expect(told.raw).not.toContain(listening.token)
  })

  it('keeps a large body from one request to the next', async () => {
    const seller = await startSeller((_, response) => response.end('x'.repeat(100_000)))
    const client = await connect(await startHttp(newBuyer(gateway.admin)), { era })
    const told = await called(client, 'fetch', { url: seller.url })
    const { resource } = told.data['body'] as { resource: string }
    const [content] = (await client.readResource({ uri: resource })).contents
    expect(content && 'text' in content && content.text).toContain('x'.repeat(100_000))
  })
})

describe('fare mcp over HTTP', () => {
  it('asks a person where the protocol can, and denies where it cannot', async () => {
    const listening = await startHttp(newBuyer(gateway.admin), '--ask-above', '1 sat')
    const says = () => ({ action: 'accept' as const, content: { approve: true } })
    const questions: string[] = []
    const modern = await connect(listening, { era: '2026', says }, questions)
    expect((await called(modern, 'fetch', { url: `${gateway.url}/once/a` })).data).toMatchObject({ ok: true })
    expect(questions).toHaveLength(1)
    // Without a session nobody can be asked: that is a denial.
    const legacy = await connect(listening, { era: '2025', says }, questions)
    const told = await called(legacy, 'fetch', { url: `${gateway.url}/once/b` })
    expect(told.data).toMatchObject({ ok: false, reason: 'approval_needed' })
    expect(questions).toHaveLength(1)
  })

  it('takes no approval that it did not ask for', async () => {
    const listening = await startHttp(newBuyer(gateway.admin), '--ask-above', '1 sat')
    const before = await gateway.balanceMsat()
    const client = await connect(listening, { era: '2026', says: () => ({ action: 'decline' }) })
    const forged = client.request({
      method: 'tools/call' as const,
      params: {
        name: 'fetch',
        arguments: { url: `${gateway.url}/once/forged` },
        inputResponses: { approve: { action: 'accept', content: { approve: true } } },
        requestState: 'v1.eyJwIjp7InF1b3RlSWQiOiJ4In19.AAAA',
      },
    })
    await expect(forged).rejects.toThrow(/requestState/)
    expect(await gateway.balanceMsat()).toBe(before)
  })

  it('bars who shows no token, and pages in browsers', async () => {
    const { url, token } = await startHttp(newBuyer(gateway.admin))
    const json = { 'content-type': 'application/json' }
    const bearer = { ...json, authorization: `Bearer ${token}` }
    const { host } = new URL(url)
    expect((await post(url, bearer)).status).toBe(200)
    expect((await post(url, { ...bearer, origin: 'http://localhost:3000' })).status).toBe(200)
    expect((await post(url, json)).status).toBe(401)
    expect((await post(url, { ...json, authorization: `Bearer ${token}x` })).status).toBe(401)
    expect((await post(url, { ...json, authorization: `Basic ${token}` })).status).toBe(401)
    for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example'])
      expect([origin, (await post(url, { ...bearer, origin })).status]).toEqual([origin, 403])
    for (const named of ['evil.example', `evil.example:${host.split(':')[1]}`, '127.0.0.1.evil.example'])
      expect([named, (await post(url, { ...bearer, host: named })).status]).toEqual([named, 403])
    expect((await post(url.replace('/mcp', '/other'), bearer)).status).toBe(404)
  })

  it.each([
    [['--listen', '0.0.0.0:0'], /loopback address/],
    [['--listen', '192.168.1.1:80'], /loopback address/],
    [['--listen', '127.0.0.1:99999'], /loopback address/],
    [['--allow-network', 'everything'], /--allow-network: expected an address or network/],
    [['--allow-network', '10.0.0.0/33'], /--allow-network: expected/],
    [['--output-dir', '/nowhere/at/all'], /--output-dir: expected a folder/],
    [['--max', '10'], /--max: /],
    [['--token-file', 'x'], /goes with --listen/],
    [['fetch'], /takes no argument/],
  ] as const)('does not start with %j', async (args, says) => {
    const ran = await newBuyer(gateway.admin).fare('mcp', ...args)
    expect([ran.code, ran.out]).toEqual([2, ''])
    expect(ran.err).toMatch(says)
  })

  it('does not start with a token that can be guessed', async () => {
    const buyer = newBuyer(gateway.admin)
    await buyer.fare('budget', 'show')
    const file = join(buyer.home, 'short')
    writeFileSync(file, 'secret\n')
    const ran = await buyer.fare('mcp', '--listen', '127.0.0.1:0', '--token-file', file)
    expect([ran.code, ran.err]).toEqual([2, expect.stringMatching(/at least 32 characters/)])
    expect(ran.err).not.toContain('secret')
  })
})
