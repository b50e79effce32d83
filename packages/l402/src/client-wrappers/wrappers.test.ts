import { Readable } from 'node:stream'
import axios from 'axios'
import ky from 'ky'
import { Agent, Client, type Dispatcher, interceptors, request, FormData as UndiciForm } from 'undici'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Shop, startShop } from '../../test/support/shop.ts'
import { payingFetch } from '../client/index.ts'
import type { BuyerOptions } from '../client/types.ts'
import { type Sandbox, sandboxLightning } from '../lightning/sandbox/index.ts'
import type { PurseStore } from '../stores/purse.ts'
import { memoryPurse } from '../stores/purse-memory/index.ts'
import { payingInterceptor } from './undici.ts'

let sandbox: Sandbox
let shop: Shop
let purse: PurseStore
beforeAll(async () => {
  sandbox = await sandboxLightning()
})
afterAll(() => sandbox.close())
beforeEach(async () => {
  shop = await startShop(sandbox)
  purse = memoryPurse()
})
afterEach(() => shop[Symbol.asyncDispose]())

interface Ask {
  readonly method?: 'GET' | 'POST'
  readonly body?: string | Uint8Array | Readable | FormData
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}
type Answer = readonly [status: number, text: string, shopHeader: unknown]
type Caller = (path: string, ask?: Ask) => Promise<Answer>
type Options = Partial<Omit<BuyerOptions, 'fetch'>>

const dispatchers: Dispatcher[] = []
afterEach(async () => {
  for (const one of dispatchers.splice(0)) await one.destroy()
})

/** Each client with what docs/clients.md tells to set, as a function. */
const clients: Record<string, (options?: Options) => Caller> = {
  axios(options) {
    const fetch = payingFetch({ wallet: sandbox, purse, ...options })
    const api = axios.create({
      adapter: 'fetch',
      env: { fetch, Request: null } as object,
      validateStatus: null,
      responseType: 'text',
    })
    return async (path, { method = 'GET', body, headers = {}, signal } = {}) => {
      const url = shop.origin + path
      const answer = await api.request({
        url,
        method,
        ...(body === undefined ? {} : { data: body }),
        headers,
        ...(signal ? { signal } : {}),
      })
      return [answer.status, String(answer.data), answer.headers['x-shop']]
    }
  },
  ky(options) {
    const api = ky.create({
      fetch: payingFetch({ wallet: sandbox, purse, ...options }),
      timeout: false,
      retry: 0,
    })
    return async (path, { method = 'GET', body, headers = {}, signal } = {}) => {
      const init = {
        method,
        body: body as BodyInit,
        headers,
        throwHttpErrors: false,
        ...(signal ? { signal } : {}),
      }
      const answer = await api(shop.origin + path, init)
      return [answer.status, await answer.text(), answer.headers.get('x-shop')]
    }
  },
  undici(options) {
    // One connection: what is held back must not stand in the way of what comes after.
    const dispatcher = new Agent({ connections: 1, pipelining: 1 }).compose(
      payingInterceptor({ wallet: sandbox, purse, ...options }),
      interceptors.redirect({ maxRedirections: 3 }),
    )
    dispatchers.push(dispatcher)
    return async (path, { method = 'GET', body, headers = {}, signal } = {}) => {
      const init = { dispatcher, method, body: body as string, headers, ...(signal ? { signal } : {}) }
      const answer = await request(shop.origin + path, init)
      return [answer.statusCode, await answer.body.text(), answer.headers['x-shop']]
    }
  },
}

/** What a client throws, or what caused it. */
async function fault(call: Promise<unknown>): Promise<unknown> {
  const error = await call.then(
    (answer) => Promise.reject(new Error(`answered ${JSON.stringify(answer)}`)),
    (reason: Error & { code?: unknown; cause?: unknown }) => reason,
  )
  return error.cause instanceof Error ? error.cause : error
}

describe.each(Object.keys(clients))('%s', (name) => {
  const make = (options?: Options): Caller => (clients[name] as (options?: Options) => Caller)(options)

  it('buys, sends the body again as it was, and presents what it bought', async () => {
    const call = make()
    const body = 'a body, 1.5 sat \u20bf'
    const headers = { 'content-type': 'text/plain', 'x-mine': 'yes' }
    expect(await call('/query', { method: 'POST', body, headers })).toEqual([200, `served ${body}`, 'open'])
    expect(shop.requests).toBe(2)
    expect(await call('/query', { method: 'POST', body: 'two', headers })).toEqual([
      200,
      'served two',
      'open',
    ])
    expect(shop.requests).toBe(3)
    expect(await shop.spentMsat()).toBe(10_000n)
    expect(shop.served[0]).toMatchObject({ method: 'POST', headers })
    // Used up: bought once more.
    expect(await call('/query', { method: 'POST', body: 'three', headers })).toEqual([
      200,
      'served three',
      'open',
    ])
    expect(await shop.spentMsat()).toBe(20_000n)
  })

  it('sends bytes and forms again as they were', async () => {
    const call = make()
    const bytes = new Uint8Array([104, 105])
    expect(await call('/query', { method: 'POST', body: bytes })).toEqual([200, 'served hi', 'open'])
    const form = name === 'undici' ? new UndiciForm() : new FormData()
    form.set('name', 'value')
    // As its own postForm() does.
    const headers = name === 'axios' ? { 'content-type': 'multipart/form-data' } : {}
    await call('/query', { method: 'POST', body: form as FormData, headers })
    const [status, text] = await call('/query', { method: 'POST', body: form as FormData, headers })
    expect(status).toBe(200)
    const boundary = /boundary=(.*)/.exec(String(shop.served.at(-1)?.headers['content-type']))?.[1]
    expect(text.replaceAll('\r', '').split('\n').slice(0, 4)).toEqual([
      `served --${boundary}`,
      'Content-Disposition: form-data; name="name"',
      '',
      'value',
    ])
  })

  it('tells the books whether the answer was there whole', async () => {
    const call = make()
    const books = async (): Promise<unknown[]> =>
      (await purse.payments(9)).map(({ served, lastStatus }) => [served, lastStatus])
    await call('/pass')
    await expect.poll(books).toEqual([['redeemed', 200]])
    await call('/cut').catch(() => {})
    await expect.poll(books).toEqual([
      ['not_served', 0],
      ['redeemed', 200],
    ])
  })

  it('leaves what is free and what is 402 without a challenge alone', async () => {
    const call = make()
    expect(await call('/free')).toEqual([200, 'served ', 'open'])
    expect((await call('/bare')).slice(0, 2)).toEqual([402, 'no challenge'])
    expect(await shop.spentMsat()).toBe(0n)
  })

  it('follows redirects and pays where they lead', async () => {
    expect((await make()('/there'))[0]).toBe(200)
    expect(await purse.payments(9)).toMatchObject([{ url: `${shop.origin}/pass`, state: 'settled' }])
  })

  it('pays nothing beyond the budget of the host, and says so', async () => {
    await purse.setBudget({ overall: {}, hosts: { '127.0.0.1': { dayMsat: 1_000n } } })
    const call = make()
    const error = await fault(call('/query', { method: 'POST', body: 'x' }))
    expect(error).toMatchObject({ code: 'payment_refused', details: { reason: 'over_budget' } })
    expect(await fault(make({ noPay: true })('/pass'))).toMatchObject({ details: { reason: 'no_pay' } })
    expect(shop.served).toEqual([])
    expect(await shop.spentMsat()).toBe(0n)
  })

  it('makes one purchase of many calls at once', async () => {
    const call = make()
    const answers = await Promise.all(Array.from({ length: 5 }, () => call('/pass')))
    expect(answers.map(([status]) => status)).toEqual([200, 200, 200, 200, 200])
    expect(await shop.spentMsat()).toBe(20_000n)
  })

  it("refuses a request with the user's own Authorization before paying (C6)", async () => {
    const headers = { authorization: 'Bearer mine' }
    expect(await fault(make()('/pass', { headers }))).toMatchObject({
      details: { reason: 'own_authorization' },
    })
    expect((await make({ ownAuthorization: 'macaroon-header' })('/pass', { headers }))[0]).toBe(200)
    expect(shop.served[0]?.headers.authorization).toBe('Bearer mine')
  })

  it('stops when it is aborted while somebody is asked, and nothing is paid', async () => {
    const abort = new AbortController()
    const approve = (_: unknown, { signal }: { signal: AbortSignal }): Promise<'denied'> => {
      abort.abort(new Error('enough'))
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const call = make({ approve: approve as NonNullable<BuyerOptions['approve']>, approveAboveMsat: 0n })
    await expect(call('/pass', { signal: abort.signal })).rejects.toThrow()
    await expect.poll(async () => (await purse.openPayments()).length).toBe(0)
    expect(await shop.spentMsat()).toBe(0n)
  })

  it('reports a connection that fails as the client does', async () => {
    await shop[Symbol.asyncDispose]()
    await expect(make()('/free')).rejects.toThrow()
    shop = await startShop(sandbox)
  })
})

describe.each(['axios', 'undici'])('%s', (name) => {
  it('refuses a stream before paying (C6)', async () => {
    const body = Readable.from(['part of ', 'a stream'])
    const call = (clients[name] as (options?: Options) => Caller)()
    const error = await fault(call('/query', { method: 'POST', body }))
    expect(error).toMatchObject({ code: 'not_replayable' })
    expect(await shop.spentMsat()).toBe(0n)
    expect(shop.served).toEqual([])
    // Free of charge it goes through.
    const again = Readable.from(['part of ', 'a stream'])
    expect((await call('/free', { method: 'POST', body: again })).slice(0, 2)).toEqual([
      200,
      'served part of a stream',
    ])
  })
})

describe('undici', () => {
  it('hands a large answer on as it comes, over the one connection of a Client', async () => {
    const client = new Client(shop.origin).compose(
      payingInterceptor({ wallet: sandbox, purse, origin: shop.origin }),
    )
    dispatchers.push(client)
    const body = 'x'.repeat(5_000_000)
    const answer = await client.request({ path: '/query', method: 'POST', body })
    let length = 0
    for await (const chunk of answer.body) length += (chunk as Buffer).length
    expect(length).toBe(body.length + 'served '.length)
    expect((await client.request({ path: '/query', method: 'POST', body: '' })).statusCode).toBe(200)
  })

  it('takes an answer for whole whose reader has had enough of it', async () => {
    const client = new Client(shop.origin).compose(
      payingInterceptor({ wallet: sandbox, purse, origin: shop.origin }),
    )
    dispatchers.push(client)
    const answer = await client.request({ path: '/query', method: 'POST', body: 'x'.repeat(5_000_000) })
    await answer.body[Symbol.asyncIterator]().next()
    answer.body.destroy()
    await expect.poll(async () => (await purse.payments(9)).map(({ served }) => served)).toEqual(['redeemed'])
  })

  it('refuses a request whose origin nobody told', async () => {
    const client = new Client(shop.origin).compose(payingInterceptor({ wallet: sandbox, purse }))
    dispatchers.push(client)
    await expect(client.request({ path: '/pass', method: 'GET' })).rejects.toThrow(/origin/)
    expect(shop.requests).toBe(0)
  })

  it('takes headers in every form that undici does, and the query', async () => {
    const dispatcher = new Agent().compose(payingInterceptor({ wallet: sandbox, purse }))
    dispatchers.push(dispatcher)
    const pairs: [string, string][] = [['x-a', '1']]
    for (const headers of [['x-a', '1'], { 'x-a': '1' }, new Map(pairs), new Headers(pairs)]) {
      const url = `${shop.origin}/pass`
      const { statusCode, body } = await request(url, {
        dispatcher,
        headers: headers as Record<string, string>,
        query: { q: 'a b' },
      })
      await body.dump()
      expect(statusCode).toBe(200)
      expect(shop.served.at(-1)?.headers['x-a']).toBe('1')
    }
    expect(await purse.payments(9)).toMatchObject([{ url: `${shop.origin}/pass?q=a+b` }])
  })
})
