import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type PurseStore, scopeOf } from '@turnpike/l402/client'
import { memoryPurse } from '@turnpike/l402/purse/memory'
import { afterEach, describe, expect, it } from 'vitest'
import { board } from './serve-board.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

interface Told {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: string
}

/** A board on a free port, and a browser for it. */
async function open(purse: PurseStore) {
  let host = ''
  const { token, handle } = board(purse, () => host)
  const server = createServer((asked, answer) => void handle(asked, answer))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => server.close())
  const { port } = server.address() as AddressInfo
  host = `127.0.0.1:${port}`
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Told> =>
    new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (answer) => {
        let body = ''
        answer.on('data', (chunk: Buffer) => {
          body += String(chunk)
        })
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }))
      })
      sent.once('error', reject)
      sent.end()
    })
  const enter = async (): Promise<string> => {
    const { headers } = await ask(`/?token=${token}`)
    return String(headers['set-cookie']).split(';')[0] ?? ''
  }
  return { token, ask, enter }
}

async function spend(purse: PurseStore, host: string): Promise<void> {
  const url = new URL(`https://${host}/<script>?key=nobodys-business`)
  const intent = {
    paymentHash: new Uint8Array(32).fill(7),
    origin: url.origin,
    host: url.hostname,
    method: 'GET',
    url: url.href,
    bodyDigest: null,
    scope: scopeOf('GET', url),
    macaroon: 'macaroon-secret',
    invoice: 'invoice-secret',
    amountMsat: 12_000n,
    maxFeeMsat: 1_000n,
    payee: '02',
    task: '<b>tag</b>',
    createdAtMs: Date.now(),
    expiresAt: Math.floor(Date.now() / 1000) + 600,
    wallet: '',
  }
  await purse.reserve(intent, { overall: {}, hosts: {} })
}

describe('the board', () => {
  it('opens once by its address, then by a cookie that pages cannot read or send', async () => {
    const { token, ask } = await open(memoryPurse())
    expect((await ask('/')).status).toBe(403)
    expect((await ask('/?token=wrong')).status).toBe(403)
    const first = await ask(`/?token=${token}`)
    expect(first).toMatchObject({ status: 303, headers: { location: '/' } })
    const set = String(first.headers['set-cookie'])
    expect(set).toMatch(/^fare-board=[\w-]{32}; HttpOnly; SameSite=Strict; Path=\/$/)
    expect((await ask(`/?token=${token}`)).status).toBe(403)
    const cookie = set.split(';')[0] ?? ''
    expect((await ask('/', { cookie })).status).toBe(200)
    expect((await ask('/', { cookie: `x=1; ${cookie}` })).status).toBe(200)
    expect((await ask('/', { cookie: `${cookie}x` })).status).toBe(403)
  })

  it('answers to its own name alone, and changes nothing', async () => {
    const { ask, enter } = await open(memoryPurse())
    const cookie = await enter()
    expect((await ask('/', { cookie, host: 'evil.example' })).status).toBe(421)
    expect((await ask('/', { cookie, host: 'localhost' })).status).toBe(421)
    for (const method of ['POST', 'PUT', 'DELETE'])
      expect((await ask('/', { cookie }, method)).status).toBe(405)
    expect((await ask('/api', { cookie })).status).toBe(404)
  })

  it('runs no script, asks nobody else, and shows neither secrets nor markup from outside', async () => {
    const purse = memoryPurse()
    await spend(purse, 'api.example.com')
    const { ask, enter } = await open(purse)
    const { headers, body } = await ask('/', { cookie: await enter() })
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'nonce-[\w+/=]+'; /)
    expect(headers['cache-control']).toBe('no-store')
    expect(body).not.toMatch(/<script|https?:\/\/|<b>|nobodys-business|macaroon-secret|invoice-secret/)
    expect(body).toContain('api.example.com: 13 sat, 1 payment')
    expect(body).toMatch(/all hosts, last 24 hours<\/text>.*13 sat of 50000 sat/)
    expect(body.match(/<svg /g)).toHaveLength(3)
  })

  it('says so where nothing was ever paid', async () => {
    const { ask, enter } = await open(memoryPurse())
    expect((await ask('/', { cookie: await enter() })).body).toContain('No payments yet.')
  })
})
