import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { intentOf } from '../../test/support/purse-samples.ts'
import { challengeOf, startSeller } from '../../test/support/seller.ts'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { decodeHex, encodeHex } from '../core/bytes.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { buyer } from './buyer.ts'
import { shownCaveatsOf } from './credential-facts.ts'
import { type HeldOptions, heldFor } from './held.ts'
import { firstHop } from './hop.ts'
import { prepareRequest } from './prepare.ts'
import { startRun } from './run.ts'

let seller: Stage['seller']
let wallet: Stage['wallet']
let purse: Stage['purse']
let get: Stage['get']
let types: Stage['types']
let credentialsSent: Stage['credentialsSent']

beforeEach(async () => {
  ;({ seller, wallet, purse, get, types, credentialsSent } = await setStage())
})
afterEach(() => seller[Symbol.asyncDispose]())

describe('what another process has just bought', () => {
  const boughtJustNow = async (caveats: readonly string[]) => {
    const { header, paymentHash } = challengeOf(seller.secrets, { caveats })
    const [challenge] = findL402Challenges([header])
    const intent = intentOf(1, {
      paymentHash: decodeHex(paymentHash) as Uint8Array,
      origin: seller.origin,
      scope: `${seller.origin} GET /forecast`,
      macaroon: challenge?.macaroon ?? '',
      createdAtMs: Date.now(),
    })
    await purse.reserve(intent, { overall: {}, hosts: {} })
    await purse.settle(intent.paymentHash, {
      preimage: seller.secrets.get(paymentHash) as Uint8Array,
      feeMsat: 0n,
    })
  }

  it('is left to it while it counts calls, and taken once the lock shows that it is gone', async () => {
    await boughtJustNow(['services=weather:0', 'weather_max_calls=1'])
    expect(await get()).toMatchObject({ kind: 'served', reused: true })
    expect(credentialsSent()).toEqual([false, true])
    expect(wallet.paid).toEqual([])
  })

  it('is shared at once where it is a pass', async () => {
    const end = Math.floor(Date.now() / 1000) + 600
    await boughtJustNow(['services=weather:0', `weather_valid_until=${end}`])
    expect(await get('/other')).toMatchObject({ kind: 'served', reused: true })
    expect(credentialsSent()).toEqual([true])
  })
})

describe('credentials in the purse (C9)', () => {
  it('are for one origin only', async () => {
    const other = await startSeller(seller.secrets)
    await get()
    const url = `${other.origin}/forecast`
    const outcome = await buyer({ wallet, purse }).fetch(await prepareRequest(url))
    expect(outcome).toMatchObject({ kind: 'served', reused: false })
    expect(other.received[0]?.headers.authorization).toBeUndefined()
    await other[Symbol.asyncDispose]()
  })

  it('are rejected for a scope by a 402, and kept', async () => {
    seller.uses = 1
    await get()
    await get()
    expect(wallet.paid).toHaveLength(2)
    const [, first] = await purse.credentials(seller.origin)
    expect(first?.rejectedFor).toEqual([`${seller.origin} GET /forecast`])
    // The third call presents the second credential, the first one never again: it was, then a copy and itself were refused.
    await get()
    const presented = seller.received.map((one) => one.paid)
    expect(presented.filter((one) => one === encodeHex(first?.paymentHash as Uint8Array))).toHaveLength(3)
    expect(types()).toContain('credential_rejected')
  })

  it('are not presented when their own caveats say that they cannot open', async () => {
    const soon = Math.floor(Date.now() / 1000) + 60
    seller.plan = { caveats: ['services=weather:0', `weather_valid_until=${soon}`, 'weather_paths=/a/*'] }
    await get('/a/x')
    await get('/b')
    expect(seller.received[2]?.headers.authorization).toBeUndefined()
    const later = () => (soon + 1) * 1000
    seller.received.length = 0
    await get('/a/x', { now: later })
    expect(seller.received[0]?.headers.authorization).toBeUndefined()
  })

  it('serve two services of one host side by side', async () => {
    seller.behaviour = (received, response) => {
      const service = received.url.slice(1, 2)
      if (received.paid && kept.get(received.paid) === service) return response.end('ok')
      const made = challengeOf(seller.secrets, { caveats: [`services=${service}:0`] })
      kept.set(made.paymentHash, service)
      return response.writeHead(402, { 'www-authenticate': made.header }).end()
    }
    const kept = new Map<string, string>()
    for (const path of ['/a', '/b', '/a', '/b', '/a'])
      expect(await get(path)).toMatchObject({ kind: 'served' })
    expect(wallet.paid).toHaveLength(2)
  })
})

describe('which of several goes first (C9)', () => {
  const soon = Math.floor(Date.now() / 1000) + 600
  /** Best first, for GET /v1/x. */
  const ORDER: readonly (readonly string[])[] = [
    ['services=a:0', 'a_paths=/v1/x', 'a_methods=GET', `a_valid_until=${soon}`],
    ['services=a:0', 'a_paths=/v1/x', 'a_methods=GET', `a_valid_until=${soon + 60}`],
    ['services=a:0', 'a_paths=/v1/x', 'a_methods=GET', 'a_max_calls=2'],
    ['services=a:0', 'a_paths=/v1/x', 'a_methods=GET', 'a_max_calls=3'],
    ['services=a:0', 'a_paths=/v1/x', 'a_methods=GET,POST'],
    ['services=a:0', 'a_paths=/*/x'],
    ['services=a:0', 'a_paths=/v1/*'],
    ['services=a:0', 'a_paths=/*'],
    ['services=a:0', 'a_capabilities=GET /v1/*'],
    ['services=a:0,b:0', 'a_paths=/v1/x', 'b_paths=/v1/x'],
    ['services=a:0', 'a_methods=GET', 'a_valid_until=9999999999'],
    ['services=a:0', 'a_methods=GET', 'a_max_calls=1'],
    ['services=a:0'],
    ['services=a:0,b:0'],
    ['services=a:0', 'a_capabilities=GET /v2/*'],
  ]
  /** Do not fit at all. */
  const NEVER = [
    ['services=a:0', 'a_paths=/v2/x'],
    ['services=a:0', 'a_methods=POST'],
    ['services=a:0', 'a_valid_until=1'],
    ['services=a:0,b:0', 'services=b:0', 'b_paths=/v2/*'],
  ]
  const add = async (caveats: readonly string[], id: number): Promise<void> => {
    const { header, paymentHash } = challengeOf(seller.secrets, { caveats })
    await purse.addCredential({
      id: `${id}`.padStart(16, '0'),
      origin: seller.origin,
      macaroon: findL402Challenges([header])[0]?.macaroon ?? '',
      preimage: seller.secrets.get(paymentHash) as Uint8Array,
      paymentHash: decodeHex(paymentHash) as Uint8Array,
      boughtFor: 'elsewhere',
      costMsat: 0n,
      createdAtMs: 0,
      lastUsedAtMs: 0,
      rejectedFor: [],
    })
  }
  const choices = async (options: Partial<HeldOptions> = {}): Promise<readonly (readonly string[])[]> => {
    const run = startRun({ wallet, purse })
    const hop = firstHop(await prepareRequest(`${seller.origin}/v1/x`))
    const tried = new Set<string>()
    const found: (readonly string[])[] = []
    for (;;) {
      const some = await heldFor(run, hop, { tried, owedOnly: false, locked: false, ...options })
      if (some.length === 0) return found
      for (const { id, macaroon } of some) {
        tried.add(id)
        found.push(shownCaveatsOf(macaroon))
      }
    }
  }

  it('is the narrowest that fits, in whatever order they came', async () => {
    const shuffled = [...ORDER.entries()].sort(([a], [b]) => ((a * 7) % 16) - ((b * 7) % 16))
    for (const [id, caveats] of shuffled) await add(caveats, id)
    for (const [id, caveats] of NEVER.entries()) await add(caveats, 100 + id)
    expect(await choices()).toEqual(ORDER)
  })

  it('is the same every time among equals: the newest, then by id', async () => {
    for (const id of [3, 1, 2]) await add(['services=a:0', `note=${id}`], id)
    expect(await choices()).toEqual([1, 2, 3].map((id) => ['services=a:0', `note=${id}`]))
  })

  it('is of the service that the challenge names, once it is known', async () => {
    for (const [id, name] of ['a', 'b', 'c'].entries()) await add([`services=${name}:0`], id)
    expect(await choices({ services: ['b'] })).toEqual([['services=b:0']])
  })

  it('is found however much was bought of the origin since', async () => {
    await add(['services=a:0'], 0)
    for (let id = 1; id <= 70; id++) await add(['services=a:0', `a_paths=/other/${id}`], id)
    expect(await choices()).toEqual([['services=a:0']])
  })

  it('is found behind any number of others before anything is bought', async () => {
    for (let id = 0; id < 9; id++) await add([`services=s${id}:0`], id)
    const [, right] = (await purse.credentials()).toReversed()
    seller.plan = { caveats: ['services=s1:0'] }
    seller.behaviour = (one, response) => {
      if (one.paid === encodeHex(right?.paymentHash as Uint8Array)) return response.end('sunny')
      seller.charge(response)
      return true
    }
    expect(await get('/v1/x')).toMatchObject({ kind: 'served', reused: true, purchases: [] })
    expect(wallet.paid).toEqual([])
  })
})

describe('paid and not served (C8)', () => {
  it('is never a loop: a server that always asks gets one payment', async () => {
    seller.behaviour = (_, response) => {
      seller.charge(response)
      return true
    }
    const outcome = await get()
    expect(outcome).toMatchObject({ kind: 'not_served', response: { status: 402 } })
    expect(outcome.purchases).toHaveLength(1)
    // The next runs present what was bought first, and buy nothing.
    for (let run = 0; run < 3; run++) expect(await get()).toMatchObject({ kind: 'not_served', purchases: [] })
    expect(wallet.paid).toHaveLength(1)
    expect(seller.received.at(-1)?.paid).toBe(encodeHex(wallet.paid[0]?.paymentHash as Uint8Array))
  })

  it('is never a loop either where the clock was put back after the last answer', async () => {
    seller.uses = 1
    expect(await get('/forecast', { now: () => Date.now() + 1_800_000 })).toMatchObject({ kind: 'served' })
    seller.behaviour = (_, response) => {
      seller.charge(response)
      return true
    }
    for (let run = 0; run < 4; run++) expect(await get()).toMatchObject({ kind: 'not_served' })
    expect(wallet.paid).toHaveLength(2)
  })

  it('buys once more only where policy says so', async () => {
    seller.behaviour = (_, response) => {
      seller.charge(response)
      return true
    }
    const outcome = await get('/forecast', { secondPurchase: true })
    expect(outcome).toMatchObject({ kind: 'not_served' })
    expect(outcome.purchases).toHaveLength(2)
    expect(wallet.paid).toHaveLength(2)
  })

  it.each([500, 503, 401, 403])('reports %d, and presents the credential first next time', async (status) => {
    let broken = true
    seller.behaviour = (received, response) =>
      broken && received.paid ? response.writeHead(status).end('sorry') : undefined
    const outcome = await get()
    expect(outcome).toMatchObject({ kind: 'not_served', response: { status } })
    expect(await purse.payment(wallet.paid[0]?.paymentHash as Uint8Array)).toMatchObject({
      served: 'not_served',
      lastStatus: status,
    })
    broken = false
    expect(await get()).toMatchObject({ kind: 'served', reused: true, purchases: [] })
    expect(wallet.paid).toHaveLength(1)
    // Served now: a later 500 is only a 500.
    broken = true
    expect(await get()).toMatchObject({ kind: 'served', response: { status } })
  })

  it('takes what the resource itself says, such as 404, for the resource', async () => {
    seller.behaviour = (received, response) => (received.paid ? response.writeHead(404).end() : undefined)
    expect(await get()).toMatchObject({ kind: 'served', response: { status: 404 } })
  })

  it('sends once more over a new connection what may be sent twice', async () => {
    let failures = 0
    seller.behaviour = (received, response) => {
      if (!received.paid || failures > 0) return undefined
      failures++
      return response.destroy()
    }
    expect(await get()).toMatchObject({ kind: 'served' })
    expect(seller.received).toHaveLength(3)
    expect(wallet.paid).toHaveLength(1)
  })

  it('reports a connection that fails after paying, and keeps the credential', async () => {
    let broken = true
    seller.behaviour = (received, response) => {
      if (!broken || !received.paid) return undefined
      return response.destroy()
    }
    const outcome = await get('/forecast', {}, { method: 'POST', body: 'x' })
    expect(outcome).toMatchObject({ kind: 'not_served', response: null })
    // A POST may have been taken before the connection broke: it is not sent again by itself.
    expect(seller.received).toHaveLength(2)
    broken = false
    expect(await get('/forecast', {}, { method: 'POST', body: 'x' })).toMatchObject({
      kind: 'served',
      reused: true,
    })
    expect(wallet.paid).toHaveLength(1)
  })

  it('is presented however much was bought of the origin since', async () => {
    let broken = true
    const soldFor = new Map<string, string>()
    seller.behaviour = ({ url, paid = '' }, response) => {
      if (soldFor.get(paid) === url) return broken ? response.writeHead(500).end() : response.end('sunny')
      const { header, paymentHash } = challengeOf(seller.secrets)
      soldFor.set(paymentHash, url)
      return response.writeHead(402, { 'www-authenticate': header }).end()
    }
    await get('/first')
    broken = false
    for (let n = 0; n < 70; n++) await get(`/later/${n}`)
    expect(await get('/first')).toMatchObject({ kind: 'served', reused: true, purchases: [] })
    expect(wallet.paid).toHaveLength(71)
  })

  it('does not buy again where a paid answer leads back to the toll', async () => {
    const seen = new Set<string>()
    seller.behaviour = (received, response) => {
      if (received.paid === undefined || seen.has(received.paid)) return undefined
      seen.add(received.paid)
      return response.writeHead(302, { location: '/forecast' }).end()
    }
    seller.uses = 0
    const outcome = await get()
    expect(outcome).toMatchObject({ kind: 'not_served', response: { status: 402 } })
    expect(outcome.purchases).toHaveLength(1)
    expect(wallet.paid).toHaveLength(1)
  })
})
