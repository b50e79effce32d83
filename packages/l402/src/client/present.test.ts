import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Received } from '../../test/support/seller.ts'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { parseCredentials } from '../core/credential.ts'
import { buyer } from './buyer.ts'
import { shownCaveats } from './credential-facts.ts'
import { prepareRequest } from './prepare.ts'

let stage: Stage
beforeEach(async () => {
  stage = await setStage()
})
afterEach(() => stage.seller[Symbol.asyncDispose]())

/** The caveats of what a request carried; `null` where it carried no credential. */
function caveatsOf({ headers }: Received): readonly string[] | null {
  const lines = Object.entries(headers).flatMap(([name, value]) => [name, String(value)])
  const parsed = parseCredentials(lines)
  return parsed.ok ? shownCaveats(parsed.credentials[0]?.macaroon) : null
}

const received = () => stage.seller.received.map(caveatsOf)
const BOUGHT = ['services=weather:0']
const start = Math.floor(Date.now() / 1000)
const nowMs = start * 1000
const now = () => nowMs
const copyOf = (method: string, path: string, seconds = start + 60) => [
  ...BOUGHT,
  `weather_valid_until=${seconds}`,
  `weather_methods=${method}`,
  `weather_paths=${path}`,
]

/** A seller that takes credentials as it sold them only, and answers others with a status. */
function takesOnlyWhatItSold(status: number): void {
  stage.seller.behaviour = (one, response) => {
    if (!one.paid || caveatsOf(one)?.length === 1) return undefined
    if (status !== 402) return response.writeHead(status).end('no')
    stage.seller.charge(response)
    return true
  }
}

describe('a credential goes out as a copy', () => {
  it('that is good for a minute, one method and one path; the purse keeps what was bought', async () => {
    await stage.get('/forecast', { now })
    await stage.get('/other/x?city=Bern', { now })
    await stage.get('/other/x', { now }, { method: 'HEAD' })
    await stage.get('/other/x', { now }, { method: 'POST', body: 'x' })
    expect(received()).toEqual([
      null,
      copyOf('GET', '/forecast'),
      copyOf('GET', '/other/x'),
      copyOf('GET', '/other/x'),
      copyOf('POST', '/other/x'),
    ])
    expect(stage.wallet.paid).toHaveLength(1)
    const [credential] = await stage.purse.credentials()
    expect(credential?.rejectedFor).toEqual([])
  })

  it('whose bytes stay the same for half its time, and never when the clock steps back', async () => {
    let at = nowMs
    const fare = buyer({ wallet: stage.wallet, purse: stage.purse, now: () => at })
    const get = async () => await fare.fetch(await prepareRequest(`${stage.seller.origin}/forecast`))
    await get()
    for (const step of [29_000, 1_000, 30_000, -90_000]) {
      at += step
      await get()
    }
    const ends = [60, 60, 90, 120, 30].map((seconds) => copyOf('GET', '/forecast', start + seconds))
    expect(received().slice(1)).toEqual(ends)
  })

  it('that never widens what was bought, and leaves out a path that could be read in two ways', async () => {
    const own = [`weather_valid_until=${start + 30}`, 'weather_methods=GET,PUT', 'weather_paths=/a/*,/b%20c']
    stage.seller.plan = { caveats: [...BOUGHT, ...own] }
    await stage.get('/a/x', { now })
    await stage.get('/b%20c', { now })
    expect(received().slice(1)).toEqual([
      [...BOUGHT, ...own, 'weather_methods=GET', 'weather_paths=/a/x'],
      [...BOUGHT, ...own, 'weather_methods=GET'],
    ])
  })

  it.each([
    ['names no service', ['note=1']],
    ['names a service that cannot be written down', ['services=a b:0']],
    ['names many', ['services=a:0,b:0,c:0,d:0,e:0']],
  ])('not where it %s', async (_, caveats) => {
    stage.seller.plan = { caveats }
    expect(await stage.get()).toMatchObject({ kind: 'served' })
    expect(received()).toEqual([null, caveats])
  })

  it('not where that is turned off', async () => {
    await stage.get('/forecast', { attenuate: false })
    expect(received()).toEqual([null, BOUGHT])
  })
})

describe('a server that refuses copies', () => {
  it.each([402, 401, 400, 403])('by %d gets what was bought, once, and no more copies', async (status) => {
    takesOnlyWhatItSold(status)
    expect(await stage.get('/forecast', { now })).toMatchObject({ kind: 'served' })
    expect(received()).toEqual([null, copyOf('GET', '/forecast'), BOUGHT])
    // Another run, another process: it is remembered in the purse.
    expect(await stage.get('/other', { now })).toMatchObject({ kind: 'served', reused: true })
    expect(received().slice(3)).toEqual([BOUGHT])
    expect(stage.wallet.paid).toHaveLength(1)
    expect((await stage.purse.credentials())[0]?.rejectedFor).toEqual([])
  })

  it('from one day to the next is not paid again', async () => {
    await stage.get('/forecast', { now })
    takesOnlyWhatItSold(402)
    expect(await stage.get('/forecast', { now })).toMatchObject({ kind: 'served', reused: true })
    expect(stage.wallet.paid).toHaveLength(1)
  })

  it('is not asked twice for what it may have done already', async () => {
    stage.seller.behaviour = (one, response) =>
      one.paid ? response.writeHead(403).end('not allowed') : undefined
    await stage.get('/forecast', { now }, { method: 'POST', body: 'x' })
    expect(received()).toEqual([null, copyOf('POST', '/forecast')])
  })

  it('and asks for money all the same has rejected the credential; what is paid then is for its own price', async () => {
    stage.seller.uses = 1
    await stage.get('/forecast', { now })
    expect(await stage.get('/forecast', { now })).toMatchObject({ kind: 'served', reused: false })
    expect(received()).toEqual([null, copyOf('GET', '/forecast'), copyOf('GET', '/forecast'), BOUGHT, BOUGHT])
    expect(stage.wallet.paid).toHaveLength(2)
    // The origin takes copies as before.
    stage.seller.uses = 9
    await stage.get('/forecast', { now })
    expect(received().at(-1)).toEqual(copyOf('GET', '/forecast'))
  })

  it('gets a body that is sent once only with what was bought, unless it is known to take copies', async () => {
    const stream = () => ({ method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' }) as RequestInit
    await stage.get('/forecast', { now, attenuate: false })
    expect(await stage.get('/forecast', { now }, stream())).toMatchObject({ kind: 'served' })
    expect(received().at(-1)).toEqual(BOUGHT)
    await stage.get('/forecast', { now })
    await stage.get('/forecast', { now }, stream())
    expect(received().at(-1)).toEqual(copyOf('POST', '/forecast'))
  })
})
