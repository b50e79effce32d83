import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { l402 } from '../adapters/node.ts'
import { memoryLightning } from '../lightning/memory.ts'
import type { L402Route } from '../server/route-gates.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { type DiagnoseOptions, type Diagnosis, diagnose } from './diagnose.ts'
import { readingsOf } from './known-clients.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/forecast`
}

const lightning = memoryLightning()

const sunny: RequestListener = (_req, res) => void res.end('sunny')

function seller(route: Partial<L402Route> = {}, serve = sunny): RequestListener {
  const toll = l402({
    lightning,
    store: memoryStore(),
    keys: [{ id: 'first', masterKey: new Uint8Array(32).fill(3), active: true }],
    services: { weather: {} },
    challengeLimit: { limit: null, perSeconds: 1 },
  })
  const handler = toll({ name: 'GET /forecast', price: '10 sat', ...route }, serve)
  return (req, res) => void handler(req, res).catch(() => res.destroy())
}

/** The rules that were found broken, the worst first. */
async function found(listener: RequestListener, pay?: DiagnoseOptions['pay']): Promise<readonly string[]> {
  const { findings } = await diagnosed(listener, pay)
  return findings.map(({ severity, rule, what }) => `${severity} ${rule}: ${what}`)
}

async function diagnosed(listener: RequestListener, pay?: DiagnoseOptions['pay']): Promise<Diagnosis> {
  return diagnose({ url: await listen(listener), ...(pay === undefined ? {} : { pay }) })
}

const PAY = { wallet: lightning, mostMsat: 10_000n, maxFeeMsat: 0n }

/** A right seller with its challenge rewritten on the way out. */
function rewriting(edit: (challenge: string) => readonly string[], status = 402): RequestListener {
  const right = seller()
  return (req, res) => {
    const writeHead = res.writeHead.bind(res)
    res.writeHead = ((code: number, ...rest: never[]) => {
      const challenge = String(res.getHeader('www-authenticate') ?? '')
      if (challenge !== '') res.setHeader('WWW-Authenticate', [...edit(challenge)])
      return writeHead(code === 402 ? status : code, ...rest)
    }) as typeof res.writeHead
    const end = res.end.bind(res)
    res.end = ((...args: never[]) => {
      if (!res.headersSent) res.writeHead(res.statusCode)
      return end(...args)
    }) as typeof res.end
    right(req, res)
  }
}

describe('a right seller', () => {
  it('has nothing wrong with it, and every known client buys', async () => {
    const { findings, clients, offer, paid } = await diagnosed(seller({ grants: { calls: 100 } }), PAY)
    expect(findings).toEqual([])
    expect(clients.filter(({ buys }) => !buys)).toEqual([])
    expect(clients.length).toBeGreaterThan(7)
    expect(offer).toMatchObject({ amountMsat: 10_000n, network: 'regtest' })
    expect(paid).toEqual({ amountMsat: 10_000n, feeMsat: 0n, status: 'paid' })
  })

  it('is not paid unless asked, nor above the cap', async () => {
    const before = await lightning.balanceMsat()
    expect((await diagnosed(seller())).paid).toBeNull()
    const { paid, findings } = await diagnosed(seller(), { ...PAY, mostMsat: 9_999n })
    expect(paid).toBeNull()
    expect(findings[0]?.what).toBe('the price of 10 sat is above the cap of 9999 msat: nothing was paid')
    expect(await lightning.balanceMsat()).toBe(before)
  })
})

describe('the known clients', () => {
  // The matrix of docs/interoperability.md: each client that is run there is one that can be asked about here.
  const RUN = ['mppx', 'Alby lightning-tools', 'l402 (sulu)', 'l402-requests', 'L402sdk', 'pyl402', 'bolthub']

  it('are those that the laboratory runs, among others', async () => {
    const { clients } = await diagnosed(seller())
    expect(clients.map(({ client }) => client)).toEqual(expect.arrayContaining(RUN))
  })

  it.each([
    ['token alone', 'L402 token="AA", invoice="lnbc1"', ['bolthub'], ['pyl402', 'Lightning Enable MCP']],
    [
      'a scheme in small letters',
      'l402 macaroon="AA", invoice="lnbc1"',
      ['bolthub'],
      ['pyl402', 'l402 (sulu)'],
    ],
    ['no quotes', 'L402 macaroon=AA, invoice=lnbc1', [], ['bolthub', 'pyl402']],
  ] as const)('read as their parsers do: %s', (_, line, buying, not) => {
    const lines = [line]
    const unpaid = { status: 402, lines, linesForPayment: lines, isWellMinted: true, invoice: 'lnbc1' }
    const buys = new Map(readingsOf(unpaid).map((reading) => [reading.client, reading.buys]))
    expect(buying.map((client) => buys.get(client))).toEqual(buying.map(() => true))
    expect(not.map((client) => buys.get(client))).toEqual(not.map(() => false))
  })
})

describe('a seller that is not', () => {
  it.each([
    ['no challenge', () => [], 'error S2: no usable L402 challenge in 0 WWW-Authenticate lines'],
    [
      'the specification’s own spelling',
      (text: string) => [
        text.replace(
          /macaroon="[^"]+", (invoice="[^"]+"), version="0", (token="[^"]+")/,
          'version="0", $2, $1',
        ),
      ],
      'warning S2: the challenge is not spelled as all clients can read it',
    ],
    [
      'another scheme first',
      (text: string) => ['Payment id="a"', text],
      'error S3: the first WWW-Authenticate line is not the L402 one',
    ],
    [
      'two challenges in one line',
      (text: string) => [`${text}, Payment id="a", realm="b"`],
      'warning S3: several challenges stand in one line',
    ],
    [
      'base64url',
      (text: string) => [
        text.replaceAll(
          /"([A-Za-z0-9+/]+)=*"/g,
          (_, token: string) => `"${token.replaceAll('+', '-').replaceAll('/', '_')}"`,
        ),
      ],
      'error S4: the macaroon is not in padded standard base64',
    ],
    [
      'a token that is no macaroon',
      (text: string) => [text.replaceAll(/(macaroon|token)="[^"]+"/g, '$1="eyJoYXNoIjoiYSJ9"')],
      'error S4: the token is no macaroon that Lightning clients know',
    ],
  ] as const)('is told by its rule: %s', async (_, edit, expected) => {
    expect(await found(rewriting(edit))).toContain(expected)
  })

  it('is told when it answers 401', async () => {
    const { findings, clients } = await diagnosed(rewriting((text) => [text], 401))
    expect(findings[0]).toMatchObject({ severity: 'error', rule: 'S1' })
    expect(clients.filter(({ buys }) => buys).map(({ client }) => client)).toEqual(['Alby lightning-tools'])
  })

  it('is told when anything passes for a credential', async () => {
    const right = seller()
    const findings = await found((req, res) => {
      if (req.headers.authorization?.startsWith('L402 ')) res.end('given away')
      else right(req, res)
    })
    expect(findings).toContain(
      'error V6: the macaroon with a preimage that is not the invoice’s passes (200)',
    )
  })

  it('is told when a bad credential breaks it, and when HEAD is free', async () => {
    const right = seller()
    const findings = await found((req, res) => {
      if (req.headers.authorization !== undefined) res.writeHead(500).end()
      else if (req.method === 'HEAD') res.end()
      else right(req, res)
    })
    expect(findings).toContain('error V6: a credential that is none is answered 500')
    expect(findings).toContain('error S8: HEAD is answered 200, where GET is not')
  })

  it('is told what it does not take and not enforce of what was paid for', async () => {
    const right = seller({ grants: { calls: 100 } })
    const findings = await found((req, res) => {
      const { authorization = '' } = req.headers
      if (/^lsat /i.test(authorization)) res.writeHead(401).end()
      else if (authorization.length > 700) res.end('not looked at')
      else right(req, res)
    }, PAY)
    expect(findings).toContain('warning V1: the scheme LSAT is not taken (401)')
  })
})

describe('what was paid for', () => {
  it.each([
    [301, 'error'],
    [304, 'error'],
    [400, 'warning'],
    [403, 'error'],
    [404, 'warning'],
    [500, 'error'],
    [503, 'error'],
  ] as const)('is missed where it is answered %i, and is tried no further', async (status, severity) => {
    let served = 0
    const serve: RequestListener = (_req, res) => {
      served++
      res.writeHead(status, { location: '/elsewhere' }).end()
    }
    const { findings, paid } = await diagnosed(seller({ grants: { calls: 100 } }, serve), PAY)
    expect(paid?.status).toBe('paid')
    expect(findings).toMatchObject([{ severity, what: `what was paid for is answered ${status}` }])
    expect(served).toBe(1)
  })

  it.each([
    ['GET', 204, ['warning -: what was paid for is empty (204)']],
    ['GET', 200, ['warning -: what was paid for is empty (200)']],
    ['DELETE', 204, []],
  ] as const)('is told where there is nothing in it: %s, %i', async (method, status, expected) => {
    const name = `${method} /forecast`
    const listener = seller({ name, grants: { calls: 100 } }, (_req, res) => res.writeHead(status).end())
    const { findings } = await diagnose({ url: await listen(listener), method, pay: PAY })
    expect(findings.map(({ severity, rule, what }) => `${severity} ${rule}: ${what}`)).toEqual(expected)
  })
})

describe('what can be presented again', () => {
  it.each([
    [402, 'note V1: the payment buys one request; its other spellings were not tried'],
    [403, 'warning S1: what was served once is answered 403 when it is asked for again'],
    [404, 'warning S1: what was served once is answered 404 when it is asked for again'],
    [500, 'warning 5.4: what was served once is answered 500 when it is asked for again'],
  ] as const)('is told of where it is answered %i, and tried no further', async (status, expected) => {
    let served = 0
    const serve: RequestListener = (_req, res) => {
      if (served++ > 0) res.statusCode = status
      res.end('sunny')
    }
    expect(await found(seller({ grants: { calls: 100 } }, serve), PAY)).toEqual([expected])
    expect(served).toBe(2)
  })

  it('is told of by its form, whatever refuses it', async () => {
    const right = seller({ grants: { calls: 100 } })
    const findings = await found((req, res) => {
      if (/^lsat /i.test(req.headers.authorization ?? '')) res.writeHead(403).end()
      else right(req, res)
    }, PAY)
    expect(findings).toContain('warning V1: the scheme LSAT is not taken (403)')
  })
})

describe('another method than GET', () => {
  it('is not blamed for a HEAD that nobody sells', async () => {
    const right = seller({ name: 'POST /forecast' })
    const url = await listen((req, res) => {
      if (req.method === 'POST') right(req, res)
      else res.writeHead(404).end()
    })
    expect((await diagnose({ url, method: 'POST' })).findings).toEqual([])
  })

  it('is asked about by the preflight', async () => {
    const asked: unknown[] = []
    const right = seller({ name: 'POST /forecast' })
    const url = await listen((req, res) => {
      if (req.method === 'OPTIONS') asked.push(req.headers['access-control-request-method'])
      right(req, res)
    })
    await diagnose({ url, method: 'POST' })
    expect(asked).toEqual(['POST'])
  })
})

describe('what cannot be asked', () => {
  it('is told', async () => {
    await expect(diagnose({ url: 'ftp://a/' })).rejects.toThrow(TypeError)
    await expect(diagnose({ url: 'http://a/', method: 'GE T' })).rejects.toThrow(
      new TypeError('invalid method: expected an HTTP method such as GET'),
    )
    await expect(diagnose({ url: 'http://127.0.0.1:1/', method: 'CONNECT' })).rejects.toThrow(TypeError)
    const secret = await diagnose({ url: 'http://alice:hunter2@a/' }).catch((error: unknown) => error)
    expect(secret).toEqual(new TypeError('invalid url: expected no user and password in it'))
    await expect(diagnose({ url: 'http://127.0.0.1:1/' })).rejects.toThrow('ECONNREFUSED')
    const url = await listen(() => {})
    await expect(diagnose({ url, timeoutMs: 50 })).rejects.toThrow('no answer within 50 ms')
  })
})
