import { describe, expect, it } from 'vitest'
import { describeConformance } from '../../../test/support/conformance.ts'
import { payInMemory } from '../../../test/support/stub-node.ts'
import { encodeHex } from '../../core/bytes.ts'
import { memoryLightning } from '../memory.ts'
import { type WeblnProvider, weblnWallet } from './index.ts'

/** An extension's wallet, on Lightning in memory. */
function extension(lightning = memoryLightning()): WeblnProvider {
  return {
    enable: async () => ({ enabled: true }),
    async sendPayment(invoice) {
      const outcome = await payInMemory(lightning, invoice)
      if (outcome.status !== 'paid') throw new Error('payment failed')
      return { preimage: encodeHex(outcome.preimage) }
    },
    getBalance: async () => ({ balance: Number((await lightning.balanceMsat()) / 1000n) }),
  }
}

describe('WebLN', () => {
  describeConformance('as a wallet', async () => {
    const lightning = memoryLightning()
    return {
      subject: 'payments',
      invoices: lightning,
      payments: await weblnWallet({ provider: extension(lightning), network: 'regtest' }),
      close: async () => {},
    }
  })

  const order = async (lightning = memoryLightning()) => {
    const made = await lightning.createInvoice({ amountMsat: 5_000n, memo: 'x', expirySeconds: 600 })
    return { ...made, maxFeeMsat: 0n, timeoutMs: 5_000 }
  }

  it('says that there is no wallet, or that its user refuses', async () => {
    await expect(weblnWallet()).rejects.toThrow('window.webln')
    const refuses = { ...extension(), enable: () => Promise.reject(new Error('User rejected')) }
    await expect(weblnWallet({ provider: refuses })).rejects.toThrow('the wallet refused: User rejected')
  })

  it('calls failed only what its user has turned down, and unknown all other errors', async () => {
    const failing = (message: string) => ({
      ...extension(),
      sendPayment: () => Promise.reject(new Error(message)),
    })
    const pay = async (message: string) =>
      (await weblnWallet({ provider: failing(message), network: 'regtest' })).pay(await order())
    expect(await pay('User rejected')).toEqual({ status: 'failed', detail: 'User rejected' })
    expect(await pay('timed out')).toEqual({ status: 'unknown', detail: 'timed out' })
  })

  it('does not take another preimage for a proof, and does not pay again for it', async () => {
    let calls = 0
    const provider = {
      ...extension(),
      async sendPayment() {
        calls++
        return { preimage: '00'.repeat(32) }
      },
    }
    const wallet = await weblnWallet({ provider, network: 'regtest' })
    const one = await order()
    expect(await wallet.pay(one)).toMatchObject({ status: 'unknown' })
    expect(await wallet.pay(one)).toMatchObject({ status: 'unknown' })
    expect(calls).toBe(1)
  })

  it('pays on mainnet only where nothing else is said', async () => {
    const wallet = await weblnWallet({ provider: extension() })
    expect(await wallet.pay(await order())).toMatchObject({ status: 'failed' })
  })
})
