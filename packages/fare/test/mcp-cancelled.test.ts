import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { LOCAL, startAgent } from './support/mcp.ts'
import { type FakeWallet, startWallet } from './support/wallet.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

/** A wallet that pays once it is told to. */
async function slowWallet(): Promise<{ readonly wallet: FakeWallet; release(): void }> {
  const wallet = await startWallet(gateway.admin)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  wallet.onPay = (response, invoice) => {
    void held.then(async () => {
      const paid = await wallet.payForReal(invoice)
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ status: 'paid', ...paid }))
    })
    return true
  }
  return { wallet, release }
}

describe('a call that is cancelled', () => {
  it('does not cut its payment: the books know it, and the next call pays nothing', async () => {
    const { wallet, release } = await slowWallet()
    const buyer = newBuyer(wallet.url)
    const agent = await startAgent(buyer, LOCAL)
    const before = await gateway.balanceMsat()
    const cancel = new AbortController()
    const told: string[] = []
    const call = agent.client.callTool(
      { name: 'fetch', arguments: { url: `${gateway.url}/forecast/slow` } },
      { signal: cancel.signal, onprogress: ({ message }) => told.push(message ?? '') },
    )
    const ended = expect(call).rejects.toThrow()
    await vi.waitFor(() => expect(wallet.asked).toHaveLength(1), { timeout: 10_000 })
    await vi.waitFor(() => expect(told).toEqual(['the server asks for 10 sat', 'paying 10 sat']))
    cancel.abort()
    await ended
    release()
    await vi.waitFor(
      async () =>
        expect((await agent.call('history')).data['payments']).toMatchObject([{ state: 'settled' }]),
      { timeout: 10_000 },
    )
    const again = await agent.call('fetch', { url: `${gateway.url}/forecast/slow` })
    expect(again.data).toMatchObject({ ok: true, spentMsat: '0' })
    expect(before - (await gateway.balanceMsat())).toBe(10_000n)
    expect(wallet.asked).toHaveLength(1)
  })

  it('and a client that leaves neither: the process ends when the payment has', async () => {
    const { wallet, release } = await slowWallet()
    const buyer = newBuyer(wallet.url)
    const agent = await startAgent(buyer, LOCAL)
    const call = agent.client.callTool({ name: 'fetch', arguments: { url: `${gateway.url}/once/left` } })
    const ended = expect(call).rejects.toThrow()
    await vi.waitFor(() => expect(wallet.asked).toHaveLength(1), { timeout: 10_000 })
    const closing = agent.close()
    release()
    await closing
    await ended
    await expect
      .poll(() => buyer.inPurse(async (purse) => (await purse.payments(1))[0]?.state), { timeout: 10_000 })
      .toBe('settled')
    expect(existsSync(join(buyer.home, 'purse.db'))).toBe(true)
  })
})
