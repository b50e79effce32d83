import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Behaviour } from '../../test/support/seller.ts'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { L402Error } from '../core/errors.ts'
import { buyer } from './buyer.ts'
import { delivered } from './delivery.ts'
import { payingFetch } from './paying-fetch.ts'
import { prepareRequest } from './prepare.ts'
import type { FetchOutcome } from './types.ts'

let seller: Stage['seller']
let wallet: Stage['wallet']
let purse: Stage['purse']

beforeEach(async () => {
  ;({ seller, wallet, purse } = await setStage())
  seller.uses = 1
})
afterEach(() => seller[Symbol.asyncDispose]())

const url = (path: string) => new URL(path, seller.origin)
/** Fetches in a run of its own. */
const open = async (path = '/x'): Promise<FetchOutcome> =>
  await buyer({ wallet, purse }).fetch(await prepareRequest(url(path)))
const books = async (): Promise<unknown[]> =>
  (await purse.payments(9)).map(({ served, lastStatus }) => [served, lastStatus])

/** Serves a payment once, and breaks that answer off. */
function cutting(): Behaviour {
  const seen = new Set<string>()
  return ({ paid }, response, self) => {
    if (paid === undefined) return undefined
    if (seen.has(paid)) {
      self.charge(response)
      return true
    }
    seen.add(paid)
    response.writeHead(200, { 'content-length': '1000' }).write('0123456789')
    setTimeout(() => response.destroy(), 5)
    return true
  }
}

describe('what was paid for', () => {
  it('is redeemed once its answer is there whole, and not before', async () => {
    const outcome = await open()
    expect(await books()).toEqual([['unserved', 200]])
    await delivered(outcome, 'whole')
    expect(await books()).toEqual([['redeemed', 200]])
    // Once told is told.
    await delivered(outcome, 'cut')
    expect(await books()).toEqual([['redeemed', 200]])
  })

  it('is presented again before anything is bought, where its reader died', async () => {
    let broken = true
    seller.behaviour = ({ paid }, response) =>
      paid && broken ? response.writeHead(200).end('half') : undefined
    await open()
    broken = false
    seller.received.length = 0
    expect(await open()).toMatchObject({ kind: 'served', reused: true, purchases: [] })
    expect(seller.received.map(({ paid }) => paid !== undefined)).toEqual([true])
    expect(wallet.paid).toHaveLength(1)
  })

  it('is bought again where the seller says by then that it was had', async () => {
    await open()
    expect(await open()).toMatchObject({ kind: 'served', reused: false })
    expect(wallet.paid).toHaveLength(2)
  })

  it('is owed where its answer broke off: not bought again, and counted by the breaker', async () => {
    await purse.setBudget({ overall: {}, hosts: {}, breakers: { unserved: { max: 1, seconds: 60 } } })
    seller.behaviour = cutting()
    await delivered(await open(), 'cut')
    expect(await books()).toEqual([['not_served', 0]])
    for (let run = 0; run < 3; run++)
      expect(await open()).toMatchObject({ kind: 'not_served', purchases: [] })
    expect(await open('/y')).toMatchObject({ kind: 'refused', reason: 'host_suspended' })
    expect(wallet.paid).toHaveLength(1)
  })

  it('stays owed when another answer to it begins', async () => {
    await delivered(await open(), 'cut')
    seller.uses = 2
    await open()
    expect(await books()).toMatchObject([['not_served', 0]])
  })

  it('is not served by a redirect to the next paywall', async () => {
    seller.behaviour = ({ url: path, paid }, response, self) => {
      if (path === '/chain/2' || paid === undefined) {
        self.charge(response)
        return true
      }
      return response.writeHead(302, { location: '/chain/2' }).end()
    }
    await purse.setBudget({ overall: {}, hosts: {}, breakers: { unserved: { max: 1, seconds: 60 } } })
    expect(await open('/chain/1')).toMatchObject({ kind: 'not_served', purchases: [{}] })
    expect(await books()).toEqual([['not_served', 402]])
    await open('/chain/1')
    expect(await open('/y')).toMatchObject({ kind: 'refused', reason: 'host_suspended' })
    expect(wallet.paid).toHaveLength(1)
  })

  it.each([503, 403, 429])('is not served by a redirect to a place that answers %d', async (status) => {
    seller.behaviour = ({ url: path, paid }, response) => {
      if (path === '/no') return response.writeHead(status).end()
      return paid === undefined ? undefined : response.writeHead(302, { location: `${other}/no` }).end()
    }
    // By another name, so no credential goes there.
    const other = seller.origin.replace('127.0.0.1', 'localhost')
    expect(await open('/chain')).toMatchObject({ kind: 'not_served', response: { status } })
    expect(await books()).toEqual([['not_served', status]])
    await open('/chain')
    expect(wallet.paid).toHaveLength(1)
  })

  it.each([
    ['its caller gave up', new DOMException('enough', 'AbortError'), ['unserved', 302]],
    ['its time was up', new DOMException('too slow', 'TimeoutError'), ['not_served', 302]],
  ] as const)('behind a redirect, when %s, is never taken for served', async (_, reason, book) => {
    const stop = new AbortController()
    seller.behaviour = ({ url: path, paid }, response) => {
      if (path === '/silent') {
        stop.abort(reason)
        return true
      }
      return paid === undefined ? undefined : response.writeHead(302, { location: '/silent' }).end()
    }
    const request = await prepareRequest(url('/chain'), { signal: stop.signal })
    const outcome = await buyer({ wallet, purse }).fetch(request)
    expect(outcome).toMatchObject({ kind: 'not_served' })
    await delivered(outcome, 'whole')
    expect(await books()).toEqual([book])
  })

  it('is told of, also where the books cannot be written after paying', async () => {
    seller.behaviour = ({ url: path, paid }, response) => {
      if (path === '/gone') return response.destroy()
      return paid === undefined ? undefined : response.writeHead(302, { location: '/gone' }).end()
    }
    const full: typeof purse = {
      ...purse,
      async recordServed(hash, served, status) {
        if (served === 'not_served') throw new L402Error('store_unavailable', 'disk full')
        await purse.recordServed(hash, served, status)
      },
    }
    const request = await prepareRequest(url('/chain'))
    expect(await buyer({ wallet, purse: full }).fetch(request)).toMatchObject({
      kind: 'not_served',
      purchases: [{}],
    })
  })

  it('is served by what its redirect leads to', async () => {
    seller.behaviour = ({ url: path, paid }, response) => {
      if (path === '/free') return response.end('here')
      return paid === undefined ? undefined : response.writeHead(302, { location: '/free' }).end()
    }
    const outcome = await open('/paid')
    expect(await books()).toEqual([['unserved', 200]])
    await delivered(outcome, 'whole')
    expect(await books()).toEqual([['redeemed', 200]])
  })

  it('needs no reader where the answer has no body', async () => {
    seller.behaviour = ({ paid }, response) => (paid ? response.writeHead(204).end() : undefined)
    await open()
    expect(await books()).toEqual([['redeemed', 204]])
  })
})

describe('payingFetch', () => {
  const fetch = (): ReturnType<typeof payingFetch> => payingFetch({ wallet, purse })

  it('tells the books by itself that its answer was read', async () => {
    const answer = await fetch()(url('/x'))
    expect(await books()).toEqual([['unserved', 200]])
    expect([answer.url, answer.redirected, answer.type]).toEqual([url('/x').href, false, 'basic'])
    expect(await answer.text()).toBe('sunny')
    expect(await books()).toEqual([['redeemed', 200]])
  })

  it('takes an answer that its reader has enough of for served', async () => {
    await (await fetch()(url('/x'))).body?.cancel()
    expect(await books()).toEqual([['redeemed', 200]])
  })

  it('hands a broken answer on as it breaks, and owes it', async () => {
    seller.behaviour = cutting()
    const answer = await fetch()(url('/x'))
    await expect(answer.text()).rejects.toThrow()
    expect(await books()).toEqual([['not_served', 0]])
    expect((await fetch()(url('/x'))).status).toBe(402)
    expect(wallet.paid).toHaveLength(1)
  })

  it('holds nothing against a seller whose answer its caller gave up', async () => {
    seller.behaviour = ({ paid }, response) => {
      if (paid === undefined) return undefined
      response.writeHead(200).write('first')
      return true
    }
    const stop = new AbortController()
    const answer = await fetch()(url('/x'), { signal: stop.signal })
    const read = answer.text()
    stop.abort()
    await expect(read).rejects.toThrow()
    expect(await books()).toEqual([['unserved', 200]])
  })

  it('owes what did not come in time, as a server that stalls would be paid each time', async () => {
    seller.behaviour = ({ paid }, response) => {
      if (paid === undefined) return undefined
      response.writeHead(200).write('first')
      return true
    }
    const answer = await fetch()(url('/x'), { signal: AbortSignal.timeout(300) })
    await expect(answer.text()).rejects.toThrow()
    expect(await books()).toEqual([['not_served', 0]])
  })

  it('hands on what cannot be watched', async () => {
    seller.behaviour = ({ paid }, response) =>
      paid ? response.writeHead(200, 'Tr\u00e8s bien').end('sunny') : undefined
    expect(await (await fetch()(url('/x'))).text()).toBe('sunny')
    expect(await books()).toEqual([['redeemed', 200]])
  })

  it('answers clones that tell the same', async () => {
    const answer = await fetch()(url('/x'))
    const clone = answer.clone()
    expect([clone.url, clone.type]).toEqual([answer.url, answer.type])
    expect(await Promise.all([clone.text(), answer.text()])).toEqual(['sunny', 'sunny'])
    expect(await books()).toEqual([['redeemed', 200]])
  })

  it('reads into the buffers of a reader that brings its own', async () => {
    const body = (await fetch()(url('/x'))).body
    const reader = body?.getReader({ mode: 'byob' })
    const read = await reader?.read(new Uint8Array(99))
    expect(new TextDecoder().decode(read?.value)).toBe('sunny')
    expect((await reader?.read(new Uint8Array(9)))?.done).toBe(true)
    expect(await books()).toEqual([['redeemed', 200]])
  })
})
