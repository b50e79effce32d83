/**
 * Sessions of the Payment scheme, bought by a client made of npm's `mppx`, with real payments on sandbox Lightning:
 * `npm run lab -- mpp`. The two published Lightning methods for it are not to be had, so the client is this suite's, on
 * mppx's own challenges, credentials and fetch.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanUp, type Program, start } from '../packages/gateway/test/e2e/program.ts'
import { returnInvoice } from '../packages/gateway/test/e2e/session-client.ts'
import { closeUpstreams, startUpstream, type Upstream } from '../packages/gateway/test/e2e/upstream.ts'
import { besideClient } from './lib/clients/mppx-seller.ts'
import { installClient, published } from './lib/clients/published.ts'
import { runProgram } from './lib/programs.ts'

const client = published.find(({ script }) => script === 'mppx.mjs')
if (client === undefined) throw new Error('expected mppx among the published clients')
const mppx = installClient(client)

describe.skipIf(!mppx.ok)(mppx.ok ? client.title : `SKIPPED: ${client.title} (${mppx.why})`, () => {
  let upstream: Upstream
  let gateway: Program
  beforeAll(async () => {
    upstream = await startUpstream((req, res) => {
      const count = Number(/\d+$/.exec(req.url ?? '')?.[0])
      res.writeHead(200, { 'Content-Type': 'text/event-stream' })
      for (let n = 1; n <= count; n++) res.write(`data: {"token":${n}}\n\n`)
      res.end('data: [DONE]\n\n')
    })
    const charge = '{ events: 2 sat, estimate: 2 sat }'
    gateway = await start({
      upstream: upstream.origin,
      routes: [`{ match: "/events/*", price: 10 sat, grants: { credit: 10 sat }, charge: ${charge} }`],
    })
  })
  afterAll(async () => {
    await cleanUp()
    await closeUpstreams()
  })

  it('opens a session, tops it up while a stream waits, uses it again, and closes it', async () => {
    if (!mppx.ok) return
    const [path] = besideClient(mppx, ['mppx-session.mjs'])
    const told = [path, gateway.url, `${gateway.admin}/sandbox/v1/pay`, returnInvoice()]
    const { out, err, code } = await runProgram(mppx.command, told)
    expect(code, err).toBe(0)
    const { first, second, closed, sessionId } = JSON.parse(out)
    const shortage = (balanceSpent: number) => [
      { sessionId, balanceSpent, balanceRequired: 2 },
      { status: 'ok' },
    ]
    expect(first).toMatchObject({ status: 200, events: 12, topUps: [shortage(10), shortage(20)], done: true })
    expect(first.receipt).toMatchObject({ reference: sessionId, status: 'success', spent: 24, units: 12 })
    expect(second).toMatchObject({ status: 200, events: 3, topUps: [], done: true })
    expect(second.receipt).toMatchObject({ spent: 6, units: 3 })
    expect(closed).toMatchObject({ status: 'closed', refundSats: 0, refundStatus: 'skipped' })
    expect(upstream.seen).toHaveLength(2)
    const wallet = await fetch(`${gateway.admin}/sandbox/v1/balance`)
    expect(await wallet.json()).toMatchObject({ sellerBalanceMsat: '30000' })
  })
})
