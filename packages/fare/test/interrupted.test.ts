import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { startSeller } from './support/seller.ts'
import { startWallet } from './support/wallet.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

/** A run that pays a wallet which answers once it is let; told to end while it waits. */
async function paying(...flags: readonly string[]) {
  const wallet = await startWallet(gateway.admin)
  const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>()
  const { promise: may, resolve: let_ } = Promise.withResolvers<void>()
  wallet.onPay = (response, invoice) => {
    isAsked()
    void may
      .then(() => wallet.payForReal(invoice))
      .then((paid) => response.end(JSON.stringify({ status: 'paid', ...paid })))
    return true
  }
  const buyer = newBuyer(wallet.url)
  let child: ChildProcess | undefined
  const args = ['--sandbox', ...flags, `${gateway.url}/once/x`]
  const ended = buyer.run(args, { started: (process) => (child = process) })
  await asked
  return { buyer, ended, answer: let_, signal: () => child?.kill('SIGINT'), stderr: child?.stderr }
}

describe('Ctrl-C', () => {
  it('while a payment is under way waits for it, and says what became of the money', async () => {
    const { buyer, ended, answer, signal, stderr } = await paying()
    signal()
    if (stderr) await once(stderr, 'data')
    answer()
    const { code, out, err } = await ended
    expect({ code, out }).toEqual({ code: 6, out: '' })
    const [first, second] = err.split('\n')
    expect(first).toBe('fare: A payment is under way; waiting for its outcome. Ctrl-C again leaves it open.')
    expect(second).toMatch(/^fare: Paid: 10 sat for credential \w+, but not served: .*: interrupted\. /)
    // What was bought opens at the next run.
    expect(await buyer.report(`${gateway.url}/once/x`)).toMatchObject({ exitCode: 0, paid: false })
  })

  it.each([
    ['on standard error', [], /^fare: It is not known whether this was paid: interrupted\. .* fare recover/m],
    ['with --events', ['--events'], /^\{"type":"end","exitCode":5,"outcome":"payment_unknown"/m],
  ])('twice leaves it open, and says so %s', async (_, flags, says) => {
    const { buyer, ended, signal, stderr } = await paying(...flags)
    signal()
    // The first one is heard: it is not one with the second.
    if (flags.length === 0 && stderr) await once(stderr, 'data')
    const again = setInterval(signal, 50)
    const { code, out, err } = await ended
    clearInterval(again)
    expect({ code, out }).toEqual({ code: 5, out: '' })
    expect(err).toMatch(says)
    expect(await buyer.inPurse(async (purse) => (await purse.openPayments()).length)).toBe(1)
  })

  it('before anything was paid says so, and ends as programs do that are told to', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<void>()
    const seller = await startSeller(() => resolve())
    let child: ChildProcess | undefined
    const ended = newBuyer(gateway.admin).run([seller.url], { started: (process) => (child = process) })
    await asked
    child?.kill('SIGINT')
    expect(await ended).toMatchObject({ code: null, out: '', err: 'fare: Nothing was paid: interrupted\n' })
  })
})
