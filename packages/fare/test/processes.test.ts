import type { ChildProcess } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Buyer, newBuyer, type Report } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

function together(buyer: Buyer, count: number, ...args: readonly string[]): Promise<Report[]> {
  return Promise.all(Array.from({ length: count }, () => buyer.report(...args)))
}

const sum = (reports: readonly Report[]): bigint =>
  reports.reduce((total, { spentMsat }) => total + BigInt(spentMsat), 0n)

describe('processes that ask at once', () => {
  it.each([2, 10])('buy a pass once (C5): %i of them', async (count) => {
    const buyer = newBuyer(gateway.admin)
    const before = await gateway.balanceMsat()
    const reports = await together(buyer, count, `${gateway.url}/forecast/x`)
    expect(reports.map(({ exitCode }) => exitCode)).toEqual(Array(count).fill(0))
    expect(before - (await gateway.balanceMsat())).toBe(10_000n)
    expect(await buyer.spentMsat()).toBe(10_000n)
    expect(sum(reports)).toBe(10_000n)
  })

  it('use every call they bought, and buy no more than they need', async () => {
    const buyer = newBuyer(gateway.admin)
    const before = await gateway.balanceMsat()
    const reports = await together(buyer, 7, '-d', 'x', `${gateway.url}/many/x`)
    expect(reports.map(({ exitCode }) => exitCode)).toEqual(Array(7).fill(0))
    expect(reports.filter(({ paid }) => paid)).toHaveLength(3)
    expect(before - (await gateway.balanceMsat())).toBe(75_000n)
    const once = await together(buyer, 4, `${gateway.url}/once/x`)
    expect(once.map(({ exitCode, paid }) => ({ exitCode, paid }))).toEqual(
      Array(4).fill({ exitCode: 0, paid: true }),
    )
    expect(before - (await gateway.balanceMsat())).toBe(115_000n)
    expect(await buyer.spentMsat()).toBe(115_000n)
  })
})

/** Kills the process as soon as it has told of `event`, and `delayMs` later. */
function killAfter(event: string, delayMs: number): (child: ChildProcess) => void {
  return (child) => {
    let told = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      told += chunk
      if (told.includes(`"type":"${event}"`)) setTimeout(() => child.kill('SIGKILL'), delayMs)
    })
  }
}

describe('a process that is killed', () => {
  it.each(['forecast', 'many', 'once'])(
    'at any point of buying /%s loses nothing and pays nothing twice',
    async (route) => {
      const moments = ['request', 'waiting', 'reserved', 'paying', 'paying', 'paying', 'paid', 'paid']
      const before = await gateway.balanceMsat()
      const spent = moments.map(async (event, i) => {
        const buyer = newBuyer(gateway.admin)
        const url = `${gateway.url}/${route}/x`
        // Somewhere around the event: the moments differ from run to run.
        const started = killAfter(event, [0, 1, 3, 8, 20][i % 5] ?? 0)
        const killed = await buyer.run(['--sandbox', '--events', url], { started })
        const finished = await buyer.report(url)
        expect([event, finished.exitCode]).toEqual([event, 0])
        const payments = await buyer.inPurse((purse) => purse.payments(99))
        const ends = new Set(payments.map(({ state }) => state))
        expect([...ends].filter((state) => state !== 'settled' && state !== 'failed')).toEqual([])
        // One purchase; two where the killed process had used the only call of the first.
        if (payments.filter(({ state }) => state === 'settled').length > 1) {
          expect(route).toBe('once')
          expect(killed.err).toContain('"type":"paid"')
        }
        return await buyer.spentMsat()
      })
      const counted = (await Promise.all(spent)).reduce((total, msat) => total + msat, 0n)
      expect(before - (await gateway.balanceMsat())).toBe(counted)
    },
  )
})
