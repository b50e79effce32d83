import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isL402Error } from '../../core/errors.ts'
import type { CreatedInvoice, PaymentOutcome } from '../backend.ts'
import { describeLightning, expectPaid, requestFor } from '../contract.test-suite.ts'
import { type Sandbox, type SandboxOptions, sandboxLightning } from './index.ts'

const env = {}

describeLightning('sandboxLightning', async ({ now }) => {
  const sandbox = await sandboxLightning({ now, env })
  return { invoices: sandbox, payments: sandbox, close: () => sandbox.close() }
})

function invoiceOf(sandbox: Sandbox, amountMsat = 10_000n): Promise<CreatedInvoice> {
  return sandbox.createInvoice({ amountMsat, memo: '', expirySeconds: 600 })
}

async function buy(sandbox: Sandbox, amountMsat: bigint): Promise<PaymentOutcome> {
  return await sandbox.pay(requestFor(await invoiceOf(sandbox, amountMsat)))
}

describe('sandboxLightning', () => {
  let sandbox: Sandbox
  beforeAll(async () => {
    sandbox = await sandboxLightning({ env })
  })
  afterAll(async () => {
    await sandbox.close()
  })

  it('makes 50 payments one after the other', async () => {
    const received = await sandbox.sellerBalanceMsat()
    const balance = await sandbox.balanceMsat()
    for (let i = 0; i < 50; i++) {
      const created = await invoiceOf(sandbox, 10_000n)
      expectPaid(await sandbox.pay(requestFor(created)), created.paymentHash)
    }
    expect((await sandbox.sellerBalanceMsat()) - received).toBe(500_000n)
    expect(balance - (await sandbox.balanceMsat())).toBe(500_000n)
  })

  it('makes 64 payments of dust at once', async () => {
    const outcomes = await Promise.all(Array.from({ length: 64 }, () => buy(sandbox, 300_000n)))
    expect(outcomes.filter(({ status }) => status === 'paid')).toHaveLength(64)
  })

  it('answers unknown at the time-out, and the lookup tells that it was paid', async () => {
    const created = await invoiceOf(sandbox)
    expect(await sandbox.pay(requestFor(created, { timeoutMs: 1 }))).toMatchObject({ status: 'unknown' })
    expect(await sandbox.lookupPayment(created.paymentHash)).toEqual({ status: 'pending' })
    expectPaid(await sandbox.pay(requestFor(created)), created.paymentHash)
    expectPaid(await sandbox.lookupPayment(created.paymentHash), created.paymentHash)
  })

  it('waits as long as it takes where there is no time-out', async () => {
    const created = await invoiceOf(sandbox)
    const outcome = await sandbox.pay(requestFor(created, { timeoutMs: Number.POSITIVE_INFINITY }))
    expectPaid(outcome, created.paymentHash)
  })

  it('pays the most that it says it can, again and again, and refuses more', async () => {
    for (let i = 0; i < 3; i++) {
      expect(await buy(sandbox, sandbox.maxPayableMsat)).toMatchObject({ status: 'paid', feeMsat: 0n })
    }
    const outcome = await buy(sandbox, sandbox.maxPayableMsat + 1n)
    expect(outcome).toMatchObject({ status: 'failed', detail: expect.stringContaining('at most') })
  })

  it('refuses a hash or an amount that is not the invoice’s', async () => {
    const created = await invoiceOf(sandbox)
    const other = await invoiceOf(sandbox)
    const swapped = requestFor(created, { paymentHash: other.paymentHash })
    expect(await sandbox.pay(swapped)).toMatchObject({ status: 'failed' })
    expect(await sandbox.pay(requestFor(created, { amountMsat: 1n }))).toMatchObject({ status: 'failed' })
    expectPaid(await sandbox.pay(requestFor(created)), created.paymentHash)
  })

  it('does not take a payment that arrives after the invoice’s expiry', async () => {
    let ahead = 0
    const late = await sandboxLightning({ env, now: () => Date.now() + ahead })
    const created = await invoiceOf(late)
    const paying = late.pay(requestFor(created))
    // the buyer has sent, the seller has not yet received
    await new Promise((resolve) => setImmediate(resolve))
    ahead = 601_000
    expect(await paying).toMatchObject({ status: 'failed' })
    expect(await late.lookupInvoice(created.paymentHash)).toBe('expired')
    expect(await late.sellerBalanceMsat()).toBe(0n)
    await late.close()
  })

  it('answers unknown for what is under way when it is closed, and takes nothing more', async () => {
    const short = await sandboxLightning({ env })
    const created = await invoiceOf(short)
    const paying = short.pay(requestFor(created))
    await short.close()
    expect(await paying).toMatchObject({ status: 'unknown', detail: 'the sandbox was closed' })
    expect(await short.lookupPayment(created.paymentHash)).toMatchObject({ status: 'unknown' })
    const error: unknown = await short
      .pay(requestFor(await invoiceOf(sandbox)))
      .catch((thrown: unknown) => thrown)
    expect(isL402Error(error, 'lightning_unavailable')).toBe(true)
  })
})

describe('a small sandbox channel', () => {
  it('never runs dry: payments worth many times its capacity go through', async () => {
    const sandbox = await sandboxLightning({ env, channelSats: 1_000_000n })
    for (let i = 0; i < 8; i++) {
      expect(await buy(sandbox, 900_000_000n)).toMatchObject({ status: 'paid' })
    }
    const outcomes = await Promise.all(Array.from({ length: 64 }, () => buy(sandbox, 100_000_000n)))
    expect(outcomes.filter(({ status }) => status === 'paid')).toHaveLength(64)
    expect(await sandbox.sellerBalanceMsat()).toBe(8n * 900_000_000n + 64n * 100_000_000n)
    await sandbox.close()
  })

  it.each([100_000n, 10_000_000_000n])('of %s sat pays the most that it says it can', async (channelSats) => {
    const sandbox = await sandboxLightning({ env, channelSats })
    expect(sandbox.maxPayableMsat).toBeGreaterThan(channelSats * 900n)
    for (let i = 0; i < 2; i++) expect((await buy(sandbox, sandbox.maxPayableMsat)).status).toBe('paid')
    await sandbox.close()
  })
})

describe('where the sandbox does not start', () => {
  it.each<[string, SandboxOptions]>([
    ['in production', { env: { NODE_ENV: 'production' } }],
    ['for mainnet', { env, network: 'mainnet' }],
    ['for a public test network', { env, network: 'signet' }],
  ])('%s', async (_, options) => {
    const error: unknown = await sandboxLightning(options).catch((thrown: unknown) => thrown)
    expect(isL402Error(error, 'sandbox_forbidden')).toBe(true)
    expect(String(error)).toContain('play money')
  })

  it.each([99_999n, 100_000_000_001n])('with a channel of %s sat', async (channelSats) => {
    await expect(sandboxLightning({ env, channelSats })).rejects.toThrow(RangeError)
  })
})

describe('a program with a sandbox', () => {
  it('ends by itself after close, and its standard output is its own', async () => {
    const module = new URL('./index.ts', import.meta.url).href
    const program = `
      const { sandboxLightning } = await import(${JSON.stringify(module)})
      const sandbox = await sandboxLightning({ env: {} })
      const created = await sandbox.createInvoice({ amountMsat: 1000n, memo: '', expirySeconds: 60 })
      const outcome = await sandbox.pay({ ...created, maxFeeMsat: 0n, timeoutMs: 10_000 })
      await sandbox.close()
      console.log(outcome.status)`
    const args = ['--conditions=turnpike:source', '--input-type=module', '--eval', program]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 20_000 })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    const [code, signal] = await once(child, 'close')
    expect({ code, signal, output }).toEqual({ code: 0, signal: null, output: 'paid\n' })
  })
})
