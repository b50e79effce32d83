import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { challengeOf, startSeller } from '../../test/support/seller.ts'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { buyer } from './buyer.ts'
import { prepareRequest } from './prepare.ts'

let seller: Stage['seller']
let wallet: Stage['wallet']
let purse: Stage['purse']
let get: Stage['get']

beforeEach(async () => {
  ;({ seller, wallet, purse, get } = await setStage())
})
afterEach(() => seller[Symbol.asyncDispose]())

describe('redirects (C7)', () => {
  it('lead to another origin without credential, Authorization and Cookie', async () => {
    const other = await startSeller(seller.secrets)
    other.behaviour = (_, response) => response.end('elsewhere')
    seller.behaviour = (received, response) =>
      received.url === '/away' ? response.writeHead(307, { location: `${other.origin}/x` }).end() : undefined
    await get()
    const headers = { Authorization: 'Bearer mine', Cookie: 'a=b', Macaroon: '00', 'X-Kept': 'yes' }
    await get('/away', {}, { method: 'POST', body: 'data', headers })
    await get('/away')
    expect(other.received[0]).toMatchObject({ method: 'POST', body: 'data', headers: { 'x-kept': 'yes' } })
    for (const { headers: sent } of other.received) {
      expect(sent.authorization).toBeUndefined()
      expect(sent.cookie).toBeUndefined()
      expect(sent['macaroon']).toBeUndefined()
    }
    expect(seller.received.at(-1)?.headers.authorization).toMatch(/^L402 /)
    await other[Symbol.asyncDispose]()
  })

  it('are paid by the limits and the allow-list of the host they lead to', async () => {
    const other = await startSeller(seller.secrets)
    const there = other.origin.replace('127.0.0.1', 'localhost')
    seller.behaviour = (_, response) => response.writeHead(302, { location: `${there}/x` }).end()
    const allowHost = (host: string) => host === '127.0.0.1'
    expect(await get('/', { allowHost })).toMatchObject({ reason: 'host_not_allowed' })
    expect(await get('/', { payOtherHosts: false })).toMatchObject({ reason: 'host_not_allowed' })
    await purse.setBudget({ overall: {}, hosts: { localhost: { dayMsat: 10n } } })
    expect(await get('/')).toMatchObject({ reason: 'over_budget', overBudget: { limit: 'host day' } })
    expect(wallet.paid).toEqual([])
    await purse.setBudget({ overall: {}, hosts: { '127.0.0.1': { dayMsat: 10n } } })
    expect(await get('/')).toMatchObject({ kind: 'served', url: `${there}/x` })
    expect((await purse.credentials())[0]?.origin).toBe(there)
    await other[Symbol.asyncDispose]()
  })

  it('lead to no other host by a dot at the end of its name', async () => {
    const there: typeof globalThis.fetch = (url, init) =>
      fetch(String(url).replace('http://api.example.', seller.origin), init)
    const ask = () => get('http://api.example./x', { fetch: there })
    await purse.setBudget({ overall: {}, hosts: {}, hostLists: { deny: ['api.example'] } })
    expect(await ask()).toMatchObject({ reason: 'host_not_allowed' })
    await purse.setBudget({ overall: {}, hosts: { 'api.example': { dayMsat: 10n } } })
    expect(await ask()).toMatchObject({ reason: 'over_budget', overBudget: { limit: 'host day' } })
    expect(wallet.paid).toEqual([])
  })

  it('turn POST into GET as fetch does, and lose the body and its headers', async () => {
    seller.behaviour = (received, response) => {
      if (received.url === '/landed') return response.end('ok')
      return response.writeHead(Number(received.url.slice(1)), { location: '/landed' }).end()
    }
    for (const [status, method] of [
      [301, 'GET'],
      [302, 'GET'],
      [303, 'GET'],
      [307, 'POST'],
      [308, 'POST'],
    ] as const) {
      await get(`/${status}`, {}, { method: 'POST', body: 'data', headers: { 'content-type': 'text/x' } })
      const landed = seller.received.at(-1)
      expect([status, landed?.method, landed?.body]).toEqual([status, method, method === 'GET' ? '' : 'data'])
      expect(landed?.headers['content-type']).toBe(method === 'GET' ? undefined : 'text/x')
    }
  })

  it('from https to http carry no credential and are never paid', async () => {
    const sent: { url: string; authorization: string | null }[] = []
    await get()
    const hosts = new Map([['https://secure.example/', seller.origin]])
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const url = String(input)
      sent.push({ url, authorization: new Headers(init?.headers).get('authorization') })
      const location = hosts.get(url)
      if (location) return new Response(null, { status: 302, headers: { location: `${location}/forecast` } })
      return await globalThis.fetch(url, init)
    }
    const fare = buyer({ wallet, purse, fetch })
    const outcome = await fare.fetch(await prepareRequest('https://secure.example/'))
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'downgrade' })
    expect(sent.map((one) => one.authorization)).toEqual([null, null])
    expect(wallet.paid).toHaveLength(1)
    expect((await purse.payments(9)).length).toBe(1)
  })

  it('are followed also where the platform hides them, and the credential stays at home', async () => {
    const other = await startSeller(seller.secrets)
    const sent: { url: string; authorization: string | null }[] = []
    seller.behaviour = (received, response) =>
      received.url === '/away' ? response.writeHead(302, { location: `${other.origin}/x` }).end() : undefined
    const fetch: typeof globalThis.fetch = async (input, init) => {
      sent.push({ url: String(input), authorization: new Headers(init?.headers).get('authorization') })
      const response = await globalThis.fetch(input, init)
      if (init?.redirect !== 'manual' || response.status !== 302) return response
      return Object.defineProperty(new Response(null), 'type', { value: 'opaqueredirect' })
    }
    await get()
    const outcome = await get('/away', { fetch })
    expect(outcome).toMatchObject({ kind: 'served', url: `${other.origin}/x`, reused: false })
    const unpaid = sent.slice(0, -1)
    expect(unpaid.filter((one) => one.url.startsWith(other.origin)).map((one) => one.authorization)).toEqual([
      null,
    ])
    expect(sent.map((one) => one.authorization !== null)).toEqual([true, false, false, true])
    await expect(get('/away', { fetch }, { method: 'POST' })).rejects.toThrow(TypeError)
    await other[Symbol.asyncDispose]()
  })

  it('end somewhere', async () => {
    seller.behaviour = (received, response) => response.writeHead(302, { location: `${received.url}x` }).end()
    await expect(get('/x', { maxRedirects: 3 })).rejects.toThrow('more than 3 redirects')
    expect(seller.received).toHaveLength(4)
    await expect(get('/x', {}, { redirect: 'error' })).rejects.toThrow(TypeError)
    expect(await get('/x', {}, { redirect: 'manual' })).toMatchObject({
      kind: 'served',
      response: { status: 302 },
    })
    seller.behaviour = (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end()
    await expect(get('/x')).rejects.toThrow(TypeError)
    // Whoever sends requests may not mind it, so the buyer does.
    const named = seller.origin.replace('//', '//me:secret@')
    seller.behaviour = (received, response) =>
      received.url === '/x' ? response.writeHead(302, { location: `${named}/y` }).end() : undefined
    await expect(get('/x')).rejects.toThrow('user name or password')
    expect(seller.received.map(({ url }) => url)).not.toContain('/y')
    expect(wallet.paid).toEqual([])
  })

  it('do not make one call pay at every hop', async () => {
    const hop = (url: string): string => `/${Number(url.slice(1)) + 1}`
    seller.behaviour = (received, response) => {
      if (received.paid && opened.get(received.paid) === received.url)
        return response.writeHead(302, { location: hop(received.url) }).end()
      const made = challengeOf(seller.secrets)
      opened.set(made.paymentHash, received.url)
      return response.writeHead(402, { 'www-authenticate': made.header }).end()
    }
    const opened = new Map<string, string>()
    const outcome = await get('/1')
    expect(outcome).toMatchObject({ kind: 'not_served', purchases: [{ amountMsat: 10_000n }] })
    expect(wallet.paid).toHaveLength(1)
  })
})
