import { expect, it } from 'vitest'
import { isL402Error } from '../../core/errors.ts'
import { requestFor } from '../contract.test-suite.ts'
import { sandboxLightning } from './index.ts'
import { loadRuntime } from './runtime.ts'

// In a file of its own: what is broken here stays broken for the whole process.
it('says to restart once LDK has broken, and leaves nobody waiting', async () => {
  const sandbox = await sandboxLightning({ env: {} })
  const terms = { amountMsat: 1000n, memo: '', expirySeconds: 600 }
  const paid = await sandbox.createInvoice(terms)
  const outcome = await sandbox.pay(requestFor(paid))
  const open = await sandbox.createInvoice(terms)
  const waiting = sandbox.pay(requestFor(open))
  const runtime = await loadRuntime()
  const breaking = (): void => {
    console.log('[fd 2]: panicked at a lock')
    throw new Error('unreachable')
  }
  expect(() => runtime.run(breaking)).toThrow('panicked at a lock')

  expect(await waiting).toMatchObject({ status: 'unknown', detail: expect.stringContaining('restart') })
  for (const call of [
    () => sandbox.ping(),
    () => sandbox.createInvoice(terms),
    () => sandbox.lookupInvoice(paid.paymentHash),
    () => sandbox.pay(requestFor({ ...paid, paymentHash: new Uint8Array(32) })),
    () => sandbox.lookupPayment(new Uint8Array(32)),
    () => sandbox.balanceMsat(),
    () => sandbox.sellerBalanceMsat(),
    () => sandboxLightning({ env: {} }),
  ]) {
    const error: unknown = await call().catch((thrown: unknown) => thrown)
    expect(isL402Error(error, 'lightning_unavailable')).toBe(true)
    expect(String(error)).toContain('restart')
  }
  // what is known stays known
  expect(await sandbox.pay(requestFor(paid))).toEqual(outcome)
  expect(await sandbox.lookupPayment(paid.paymentHash)).toEqual(outcome)
  await sandbox.close()
})
