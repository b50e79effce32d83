/**
 * Purchases on real channels while buyers, gateway and both nodes are killed at random moments: `npm run lab --
 * lightning-kills --kills 50 --seed 7`. Then four books must tell one story: what the buyer's node sent, what the seller's
 * node got, what the purse spent, and what the gateway sold.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sqlitePurse } from '@turnpike/l402/purse/sqlite'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { cleanUp, folderWith, type Program, serve } from '../packages/gateway/test/e2e/program.ts'
import { closeUpstreams, startUpstream, type Upstream } from '../packages/gateway/test/e2e/upstream.ts'
import { isShort, numberOf } from './lib/flags.ts'
import { type Fare, newFare } from './lib/kills/fare.ts'
import { salesOf, sentBy, settledAt } from './lib/kills/money.ts'
import { inFlightAt, lostAttempts, restartInOrder } from './lib/kills/nodes.ts'
import { bakePayMacaroon, hasLab, type LabNetwork, startNetwork } from './lib/lightning.ts'
import { freePort } from './lib/programs.ts'
import { seededRandom } from './lib/random.ts'

const BUYERS = 3
const PRICE_MSAT = 10_000n
/** Of ten kills, how many hit what. A node needs up to minutes to come back: the gate leaves them alone. */
const VICTIMS = isShort
  ? (['fare', 'gateway', 'fare'] as const)
  : (['fare', 'buyer', 'gateway', 'fare', 'buyer', 'gateway', 'fare', 'buyer', 'seller', 'fare'] as const)
const kills = numberOf('LAB_KILLS', isShort ? 10 : 50)
const seed = numberOf('LAB_SEED', 1 + Math.floor(Math.random() * 1e8))

if (!hasLab) console.log('SKIPPED: there is no lab with real lnd nodes (TURNPIKE_LAB)')

describe.skipIf(!hasLab)(hasLab ? 'payments killed in flight' : 'SKIPPED: no lab', () => {
  let network: LabNetwork
  let upstream: Upstream
  let folder: string
  let gateway: Program
  let fare: Fare

  beforeAll(async () => {
    network = await startNetwork()
    upstream = await startUpstream()
    const { seller, buyer } = network.nodes
    // Always at the same place: a purse knows a seller by its origin.
    const [port, admin] = [await freePort(), await freePort()]
    folder = folderWith(`listen: 127.0.0.1:${port}
admin: { listen: 127.0.0.1:${admin}, tokenFile: admin.token }
network: regtest
challenges: { limit: off }
journal: { openInvoices: 10000 }
lightning: { backend: lnd, url: "${seller.rest}", macaroonFile: "${seller.invoiceMacaroon}", tlsCertFile: "${seller.tls}" }
services:
  weather:
    upstream: http://127.0.0.1:${upstream.port}
    routes: [{ match: "/forecast/*", price: ${PRICE_MSAT} msat }]
`)
    writeFileSync(join(folder, 'admin.token'), `lab read ${'r'.repeat(40)}\n`, { mode: 0o600 })
    gateway = await serve(folder)
    fare = await newFare([
      ...['--backend', 'lnd', '--url', buyer.rest, '--tls-cert-file', buyer.tls],
      ...['--macaroon-file', await bakePayMacaroon(buyer, folder)],
    ])
  }, 400_000)
  afterAll(async () => {
    fare?.close()
    await cleanUp()
    await network?.close()
    await closeUpstreams()
  })

  it(`pays nothing twice, forgets nothing and gives nothing away, killed ${kills} times`, {
    timeout: 300_000 + kills * 60_000,
  }, async () => {
    console.log(`seed ${seed}`)
    const random = seededRandom(seed)
    const killed = { fare: 0, gateway: 0, buyer: 0, seller: 0 }
    let over = false
    /** And how each try ended. */
    const bought: { readonly path: string; readonly endings: (number | null)[] }[] = []

    /** What could not be bought yet, since its payment is under way. */
    const waiting: string[] = []

    const buyOne = async (path: string, patience: number): Promise<void> => {
      const endings: (number | null)[] = []
      const isOpen = (): boolean => endings.filter((code) => code === 5).length >= patience
      await vi.waitFor(
        async () => {
          // Once the books say "paid, not served", only somebody who says so pays again.
          const again = endings.at(-1) === 6 ? ['--pay-again'] : []
          const { code, err } = await fare.run(['get', '--fail', ...again, `${gateway.url}${path}`])
          endings.push(code)
          if (!isOpen()) expect(code, err).toBe(0)
        },
        { timeout: 600_000, interval: 200 },
      )
      if (endings.at(-1) === 0) bought.push({ path, endings })
      else waiting.push(path)
    }
    const shop = async (lane: number): Promise<void> => {
      for (let i = 0; !over; i++) await buyOne(`/forecast/${lane}-${i}`, 3)
    }
    const restart = async (name: 'buyer' | 'seller'): Promise<void> => {
      await network.kill(name)
      await network.start(name)
    }
    const hit: Readonly<Record<(typeof VICTIMS)[number], () => Promise<void>>> = {
      async fare() {
        await vi.waitFor(() => expect(fare.running()).not.toHaveLength(0), { timeout: 60_000, interval: 5 })
        random.pick(fare.running()).kill('SIGKILL')
      },
      async gateway() {
        await gateway.kill()
        gateway = await serve(folder)
      },
      buyer: () => restart('buyer'),
      seller: () => restart('seller'),
    }
    const strike = async (): Promise<void> => {
      try {
        for (let n = 0; n < kills; n++) {
          await new Promise((resolve) => setTimeout(resolve, 100 + random.below(1_400)))
          const victim = VICTIMS[n % VICTIMS.length] ?? 'fare'
          await hit[victim]()
          killed[victim]++
          // On a slow machine too, something is bought between two kills.
          const { length } = bought
          await vi.waitFor(() => expect(bought.length).toBeGreaterThan(length), {
            timeout: 300_000,
            interval: 20,
          })
        }
      } finally {
        over = true
      }
    }
    await Promise.all([strike(), ...Array.from({ length: BUYERS }, (_, lane) => shop(lane))])

    /** Until the purse keeps nothing open but what its node has lost, and just that; answers it. */
    const settleDown = async (timeout: number): Promise<readonly string[]> => {
      let lost: readonly string[] = []
      await vi.waitFor(
        async () => {
          const open = await fare.open()
          lost = await lostAttempts(network)
          expect(open.map(({ paymentHash }) => paymentHash).sort()).toEqual([...lost].sort())
        },
        { timeout, interval: 1_000 },
      )
      return lost
    }
    let lost = await settleDown(180_000)
    if (lost.length > 0) {
      console.log(
        `${lost.length} payments are open and in no channel: both nodes are started anew, ten blocks pass`,
      )
      await restartInOrder(network)
      lost = await settleDown(180_000)
    }
    for (const path of waiting.splice(0)) await buyOne(path, 1)
    expect(waiting.length).toBeLessThanOrEqual(lost.length)
    // lnd never sent what it has lost, so there is nothing of it at the seller's node, below.
    expect([...(await inFlightAt(network.nodes.buyer))].sort()).toEqual([...lost].sort())
    if (isShort) expect(lost, 'no node was killed').toEqual([])

    const [sent, settled] = [await sentBy(network.nodes.buyer), await settledAt(network.nodes.seller)]
    const payments = (await fare.payments()).filter(({ state }) => state === 'settled')
    const purse = sqlitePurse({ file: join(fare.home, 'purse.db') })
    const spentMsat = (await purse.spent()).totalMsat
    const heldMsat = (await purse.openPayments()).reduce(
      (sum, { amountMsat, maxFeeMsat }) => sum + amountMsat + maxFeeMsat,
      0n,
    )
    await purse.close()
    const again = bought.flatMap(({ endings }) => endings).filter((code) => code === 6).length
    const retried = bought.reduce((sum, { endings }) => sum + endings.length - 1, 0)
    console.log(
      `killed: ${Object.entries(killed)
        .map(([who, times]) => `${who} ${times}`)
        .join(
          ', ',
        )}; ${bought.length} things bought, ${retried} tries more, ${again} paid again because a call was cut off`,
    )
    console.log(
      `the buyer's node sent ${sent.size} payments, the seller's got ${settled.size}, the purse has ${payments.length}; ${upstream.seen.length} calls were served; ${lost.length} payments are in flight for good at the buyer's node and unknown to the purse`,
    )

    // Both nodes and the purse agree, payment by payment and to the millisatoshi.
    expect([...settled].sort()).toEqual([...sent].sort())
    expect(payments.map(({ paymentHash, amountMsat }) => [paymentHash, BigInt(amountMsat)]).sort()).toEqual(
      [...sent].sort(),
    )
    // What is open counts with all that it could cost.
    expect(spentMsat - heldMsat).toBe([...sent.values()].reduce((sum, msat) => sum + msat, 0n))
    for (const { path } of bought)
      expect(
        upstream.seen.some(({ url }) => url === path),
        path,
      ).toBe(true)
    // Nothing given away: each answer that came was paid. A call that its gateway cut off before the first byte of its
    // answer counts for nothing, and the upstream may see it twice.
    expect(bought.length).toBeLessThanOrEqual(sent.size)
    expect(upstream.seen.length).toBeLessThanOrEqual(sent.size + killed.gateway * BUYERS)
    // Nothing bought anew but after a call that was served to one that died, or cut off.
    expect(sent.size).toBeLessThanOrEqual(upstream.seen.length + again)
    // The gateway has a sale for each, those too that were settled while it was down.
    await vi.waitFor(async () => expect((await salesOf(folder, gateway)).sort()).toEqual([...sent].sort()), {
      timeout: 60_000,
      interval: 1_000,
    })
  })
})
