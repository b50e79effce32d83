import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Behaviour } from '../../test/support/seller.ts'
import { type Stage, setStage } from '../../test/support/stage.ts'
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
    expect(await books()).toEqual([['not_served', 302]])
    await open('/chain/1')
    expect(await open('/y')).toMatchObject({ kind: 'refused', reason: 'host_suspended' })
    expect(wallet.paid).toHaveLength(1)
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

  it('reads into the buffers of a reader that brings its own', async () => {
    const body = (await fetch()(url('/x'))).body
    const reader = body?.getReader({ mode: 'byob' })
    const read = await reader?.read(new Uint8Array(99))
    expect(new TextDecoder().decode(read?.value)).toBe('sunny')
    expect((await reader?.read(new Uint8Array(9)))?.done).toBe(true)
    expect(await books()).toEqual([['redeemed', 200]])
  })
})
