import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { buyer } from './buyer.ts'
import { prepareRequest } from './prepare.ts'

let seller: Stage['seller']
let wallet: Stage['wallet']
let purse: Stage['purse']
let get: Stage['get']
let spent: Stage['spent']

beforeEach(async () => {
  ;({ seller, wallet, purse, get, spent } = await setStage())
})
afterEach(() => seller[Symbol.asyncDispose]())

describe('the request (C6)', () => {
  it('is sent again unchanged: method, headers and body', async () => {
    const init = { method: 'POST', headers: { 'X-Mine': 'a, b' }, body: new URLSearchParams({ q: 'ä' }) }
    expect(await get('/query?x=1', {}, init)).toMatchObject({ kind: 'served' })
    const [unpaid, paid] = seller.received
    expect(paid).toMatchObject({ method: 'POST', url: '/query?x=1', body: 'q=%C3%A4' })
    expect(paid?.body).toBe(unpaid?.body)
    const { authorization, ...headers } = paid?.headers ?? {}
    expect(headers).toEqual(unpaid?.headers)
    expect(headers['x-mine']).toBe('a, b')
    expect(authorization).toMatch(/^L402 [A-Za-z0-9+/=]+:[0-9a-f]{64}$/)
  })

  it('keeps the boundary of a form', async () => {
    const body = new FormData()
    body.set('file', new Blob(['bytes']), 'a.txt')
    await get('/upload', {}, { method: 'POST', body })
    const [unpaid, paid] = seller.received
    expect(paid?.headers['content-type']).toBe(unpaid?.headers['content-type'])
    expect(paid?.body).toBe(unpaid?.body)
    expect(paid?.body).toContain('bytes')
  })

  it('is sent again though the server closed the connection after its 402', async () => {
    const closed = Promise.withResolvers<void>()
    seller.behaviour = (received, response) => {
      if (received.paid) return undefined
      response.socket?.once('close', () => closed.resolve())
      seller.charge(response)
      response.socket?.end()
      return true
    }
    const pay = wallet.onPay
    wallet.onPay = async (request) => {
      await closed.promise
      return await pay(request)
    }
    const outcome = await get('/query', {}, { method: 'POST', body: 'hello' })
    expect(outcome).toMatchObject({ kind: 'served' })
    expect(seller.received.map((one) => one.body)).toEqual(['hello', 'hello'])
  })

  it('is refused before paying when its body is a stream, unless that is buffered', async () => {
    const streamed = () =>
      ({ method: 'POST', body: new Blob(['once']).stream(), duplex: 'half' }) as RequestInit
    expect(await get('/query', {}, streamed())).toMatchObject({ kind: 'refused', reason: 'not_replayable' })
    expect(wallet.paid).toEqual([])
    const fare = buyer({ wallet, purse })
    const buffered = await prepareRequest(`${seller.origin}/query`, streamed(), { bufferStreams: true })
    expect(await fare.fetch(buffered)).toMatchObject({ kind: 'served' })
    expect(seller.received.at(-1)?.body).toBe('once')
  })

  it('keeps its own Authorization: nothing is paid, and nothing replaced', async () => {
    const headers = { Authorization: 'Bearer mine' }
    expect(await get('/', {}, { headers })).toMatchObject({ kind: 'refused', reason: 'own_authorization' })
    await get('/')
    expect(await get('/', {}, { headers })).toMatchObject({ kind: 'refused', reason: 'own_authorization' })
    const sent = seller.received.map((one) => one.headers.authorization)
    expect(sent.filter((value) => value === 'Bearer mine')).toHaveLength(2)
    expect(wallet.paid).toHaveLength(1)
  })

  it('has its credential beside its own Authorization where that was asked for (V3)', async () => {
    const headers = { Authorization: 'Bearer mine' }
    const outcome = await get('/', { ownAuthorization: 'macaroon-header' }, { headers })
    expect(outcome).toMatchObject({ kind: 'served' })
    expect(seller.received[1]?.headers).toMatchObject({
      authorization: 'Bearer mine',
      macaroon: expect.stringMatching(/^[0-9a-f]+$/),
    })
  })

  it('can be aborted, which never cuts a payment under way (C3)', async () => {
    const abort = new AbortController()
    const pay = wallet.onPay
    wallet.onPay = (request) => {
      abort.abort(new Error('enough'))
      return pay(request)
    }
    const outcome = await get('/', {}, { signal: abort.signal })
    expect(outcome).toMatchObject({ kind: 'not_served', purchases: [{ amountMsat: 10_000n }] })
    expect(await purse.credentials()).toHaveLength(1)
    expect(await get('/')).toMatchObject({ kind: 'served', reused: true })
    expect(wallet.paid).toHaveLength(1)
  })

  it('pays nothing once aborted', async () => {
    const abort = new AbortController()
    const options = {
      wallet: async () => {
        abort.abort(new Error('enough'))
        return wallet
      },
    }
    await expect(get('/', options, { signal: abort.signal })).rejects.toThrow('enough')
    expect(wallet.paid).toEqual([])
    expect(await spent()).toBe(0n)
  })
})
