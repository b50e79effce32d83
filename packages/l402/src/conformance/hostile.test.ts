import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { l402 } from '../adapters/node.ts'
import { type MemoryLightning, memoryLightning } from '../lightning/memory.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { ask } from './ask.ts'
import { type DiagnoseOptions, type Diagnosis, diagnose } from './diagnose.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer({ maxHeaderSize: 32_768 }, listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/forecast`
}

async function diagnosed(
  listener: RequestListener,
  options: Partial<DiagnoseOptions> = {},
): Promise<Diagnosis> {
  return diagnose({ url: await listen(listener), ...options })
}

const said = ({ findings }: Diagnosis): readonly string[] =>
  findings.map(({ severity, rule, what }) => `${severity} ${rule}: ${what}`)

function seller(lightning: MemoryLightning): RequestListener {
  const toll = l402({
    lightning,
    store: memoryStore(),
    keys: [{ id: 'first', masterKey: new Uint8Array(32).fill(3), active: true }],
    services: { weather: {} },
    challengeLimit: { limit: null, perSeconds: 1 },
  })
  const route = { name: 'GET /forecast', price: '10 sat', grants: { calls: 100 } }
  const handler = toll(route, (_req, res) => void res.end('sunny'))
  return (req, res) => void handler(req, res).catch(() => res.destroy())
}

const CHALLENGE = 'L402 macaroon="AA", invoice="lnbc1"'
const ask402 = (res: ServerResponse): void => {
  res.setHeader('www-authenticate', CHALLENGE)
  res.writeHead(402)
}

describe('a server that wastes time', () => {
  it('is asked to the end although its bodies never end, break off or are endless', async () => {
    const url = await listen((_req, res) => {
      ask402(res)
      const drip = setInterval(() => res.write('x'), 5)
      res.on('close', () => clearInterval(drip))
    })
    const dripping = await ask({ url: new URL(url), method: 'GET', timeoutMs: 700 })
    expect([dripping.status, dripping.end]).toEqual([402, 'does not end'])
    const cut = await diagnosed((_req, res) => {
      ask402(res)
      res.write('{', () => res.destroy())
    })
    expect(said(cut)).toContain('error S6: the body of the 402 breaks off')
    const endless = await diagnosed((_req, res) => {
      ask402(res)
      const more = (): void => {
        if (res.write('x'.repeat(65_536))) setImmediate(more)
        else res.once('drain', more)
      }
      more()
    })
    expect(said(endless)).toContain('error S6: the body of the 402 is longer than 256 KiB')
  })

  it('is said to be a redirect, and is not followed', async () => {
    let asked = 0
    const findings = said(
      await diagnosed((_req, res) => {
        asked++
        res.writeHead(302, { location: '/forecast' }).end()
      }),
    )
    expect(findings).toContain('note -: the answer is a redirect to /forecast, which was not followed')
    expect(asked).toBe(2)
  })

  it('is said to have too many header lines', async () => {
    const flood = diagnosed((_req, res) => void res.writeHead(402, { x: 'y'.repeat(40_000) }).end())
    await expect(flood).rejects.toThrow('its header lines are longer than 16 KiB')
  })

  it('sells nothing to anybody by an invoice that is none', async () => {
    const { clients } = await diagnosed((_req, res) => {
      ask402(res)
      res.end()
    })
    expect(clients.filter(({ buys }) => buys)).toEqual([])
    expect(clients.find(({ client }) => client === 'l402-requests')?.why).toBe(
      'no wallet can pay its invoice',
    )
  })
})

describe('a server that reads paths in its own way', () => {
  it.each([
    ['//forecast', 'a doubled slash'],
    ['/turnpike-doctor/../forecast', 'a way up'],
    ['/%66orecast', 'an encoded letter'],
  ])('is told that %s passes', async (target, name) => {
    const right = seller(memoryLightning())
    const findings = said(
      await diagnosed((req, res) => {
        if (req.url === target) res.end('sunny')
        else if (req.url === '/forecast') right(req, res)
        else res.writeHead(404).end()
      }),
    )
    expect(findings.filter((finding) => finding.includes('spelled'))).toEqual([
      `error S1: the path spelled with ${name} is answered 200 unpaid`,
    ])
  })

  it('is not blamed where it answers everything', async () => {
    const right = seller(memoryLightning())
    const findings = said(
      await diagnosed((req, res) => (req.url === '/forecast' ? right(req, res) : void res.end('home'))),
    )
    expect(findings).toEqual([])
  })
})

describe('money', () => {
  it('is never more than the cap, fees included', async () => {
    const lightning = memoryLightning()
    const asked: bigint[] = []
    const pay: MemoryLightning['pay'] = (order) => {
      asked.push(order.amountMsat + order.maxFeeMsat)
      return lightning.pay(order)
    }
    const wallet = { ...lightning, pay }
    for (const mostMsat of [9_999n, 10_000n, 10_500n])
      await diagnosed(seller(lightning), { pay: { wallet, mostMsat } })
    await diagnosed(seller(lightning), { pay: { wallet, mostMsat: 99_000n, maxFeeMsat: 7n } })
    expect(asked).toEqual([10_000n, 10_500n, 10_007n])
  })

  it('that may be on its way is not called unspent', async () => {
    const lightning = memoryLightning({ onPay: () => ({ status: 'unknown', later: 'pending' }) })
    const pay = { wallet: lightning, mostMsat: 10_000n }
    const diagnosis = await diagnosed(seller(lightning), { pay })
    expect(diagnosis.paid).toEqual({ amountMsat: 10_000n, feeMsat: null, status: 'unknown' })
    expect(said(diagnosis)[0]).toMatch(/^error -: the payment [0-9a-f]{64} was sent, and what became of it/)
    const broken = {
      ...lightning,
      pay: () => Promise.reject(new Error('the line broke')),
      lookupPayment: () => Promise.reject(new Error('and is still broken')),
    }
    const lost = await diagnosed(seller(lightning), { pay: { wallet: broken, mostMsat: 10_000n } })
    expect(lost.paid).toMatchObject({ status: 'unknown' })
  })

  it('is told of although the server dies once it is paid', async () => {
    const lightning = memoryLightning()
    const right = seller(lightning)
    let isPaid = false
    const pay: MemoryLightning['pay'] = (order) => {
      isPaid = true
      return lightning.pay(order)
    }
    const diagnosis = await diagnosed((req, res) => (isPaid ? void req.socket.destroy() : right(req, res)), {
      pay: { wallet: { ...lightning, pay }, mostMsat: 10_000n },
    })
    expect(diagnosis.paid).toEqual({ amountMsat: 10_000n, feeMsat: 0n, status: 'paid' })
    expect(said(diagnosis)).toEqual([
      'error V6: some requests are not answered (ECONNRESET)',
      'error V1: what was paid for is not answered at all',
    ])
  })

  it('is not paid for a macaroon of another invoice', async () => {
    const lightning = memoryLightning()
    const right = seller(lightning)
    const other = (await fetch(await listen(seller(memoryLightning())))).headers.get('www-authenticate')
    const macaroon = /macaroon="([^"]+)"/.exec(other ?? '')?.[1]
    const before = await lightning.balanceMsat()
    const diagnosis = await diagnosed(
      (req, res) => {
        const writeHead = res.writeHead.bind(res)
        res.writeHead = ((...rest: Parameters<typeof writeHead>) => {
          const line = String(res.getHeader('www-authenticate') ?? '')
          if (line !== '')
            res.setHeader(
              'www-authenticate',
              line.replaceAll(/(macaroon|token)="[^"]+"/g, `$1="${macaroon}"`),
            )
          return writeHead(...rest)
        }) as typeof res.writeHead
        right(req, res)
      },
      { pay: { wallet: lightning, mostMsat: 10_000n } },
    )
    expect(diagnosis.paid).toBeNull()
    expect(said(diagnosis)).toContain('note -: the token on offer is not for its invoice: nothing was paid')
    expect(await lightning.balanceMsat()).toBe(before)
  })
})
