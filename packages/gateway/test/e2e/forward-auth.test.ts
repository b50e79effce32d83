import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, type Response } from './client.ts'
import { challengeOf, cleanUp, configOf, type Program, pay, start } from './program.ts'

const TOP = 'forwardAuth: { listen: 127.0.0.1:0, envoy: 127.0.0.1:0 }'

let gateway: Program
let authUrl: string
beforeAll(async () => {
  gateway = await start({ top: TOP })
  authUrl = JSON.parse(readFileSync(gateway.readyFile, 'utf8')).forwardAuth
})
afterAll(cleanUp)

const about = (target: string, headers: Record<string, string> = {}, path = '/auth'): Promise<Response> =>
  ask(authUrl, 'GET', path, {
    headers: {
      'X-Forwarded-Method': 'GET',
      'X-Forwarded-Uri': target,
      'X-Forwarded-Host': 'api.example.com',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-For': '192.0.2.1',
      ...headers,
    },
  })

async function buy(target: string): Promise<Record<string, string>> {
  const refused = await about(target)
  expect(refused.status).toBe(402)
  const { macaroon, invoice } = challengeOf(refused)
  return { Authorization: `L402 ${macaroon}:${await pay(gateway.admin, invoice)}` }
}

describe('a gateway that other proxies ask', () => {
  it('says where', () => {
    const ready = JSON.parse(readFileSync(gateway.readyFile, 'utf8'))
    expect(ready.forwardAuth).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(ready.envoy).toMatch(/^127\.0\.0\.1:\d+$/)
  })

  it('sells, and lets pass what was bought, as often as it holds', async () => {
    const bought = await buy('/paid/x')
    const statuses: number[] = []
    for (let i = 0; i < 4; i++) statuses.push((await about('/paid/x', bought)).status)
    expect(statuses).toEqual([200, 200, 200, 402])
    // The same books count for both ways in.
    expect((await ask(gateway.url, 'GET', '/paid/x', { headers: bought })).status).toBe(402)
  })

  it('of twenty at once no more pass than were bought', async () => {
    const bought = await buy('/paid/x')
    const answers = await Promise.all(Array.from({ length: 20 }, () => about('/paid/x', bought)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3)
  })

  it('gives a use back where the proxy tells that nothing was served', async () => {
    const bought = await buy('/paid/x')
    for (let i = 0; i < 5; i++) {
      const answer = await about('/paid/x', bought, '/auth/settle=report')
      expect(answer.status).toBe(200)
      const headers = {
        'X-L402-Outcome-Id': answer.header('x-l402-outcome-id'),
        'X-L402-Outcome-Status': '502',
      }
      expect((await ask(authUrl, 'POST', '/auth/outcome', { headers })).status).toBe(204)
    }
  })

  it('counts what it decides, and writes it down', async () => {
    await about('/free/x')
    const { body } = await ask(gateway.admin, 'GET', '/metrics')
    expect(body).toMatch(/turnpike_requests_total\{[^}]*outcome="paid"[^}]*\} [1-9]/)
    expect(body).toMatch(/turnpike_challenges_total\{service="demo"\} [1-9]/)
    await expect
      .poll(() => gateway.output())
      .toMatch(/"path":"\/free\/x".*"outcome":"free".*"client":"192\.0\.2\.0\/24"/)
  })

  it('answers by new routes once they are in force', async () => {
    expect((await about('/later/x')).status).toBe(404)
    writeFileSync(
      join(gateway.folder, 'turnpike.yaml'),
      configOf({ top: TOP, routes: ['{ match: "/later/*", free: true }'] }),
    )
    gateway.signal('SIGHUP')
    await expect.poll(async () => (await about('/later/x')).status, { timeout: 20_000 }).toBe(200)
    expect((await about('/paid/x')).status).toBe(404)
  })

  it('stops while a proxy keeps its connections open', async () => {
    expect((await gateway.stop()).code).toBe(0)
  })
})
