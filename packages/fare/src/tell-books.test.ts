import { L402Error } from '@turnpike/l402'
import { buyer, type PurseStore, prepareRequest } from '@turnpike/l402/client'
import { expect, it, onTestFinished } from 'vitest'
import { setStage } from '../../l402/test/support/stage.ts'
import { tellBooks } from './tell-books.ts'

/** An answer that was paid for, with books that have this fault when they are told how it ended. */
async function answered(fault: Error) {
  const { seller, wallet, purse } = await setStage()
  onTestFinished(() => seller[Symbol.asyncDispose]())
  const recordServed: PurseStore['recordServed'] = async (paymentHash, served, status) => {
    if (served !== 'unserved') throw fault
    await purse.recordServed(paymentHash, served, status)
  }
  const fare = buyer({ wallet, purse: { ...purse, recordServed } })
  return await fare.fetch(await prepareRequest(new URL('/x', seller.origin)))
}

it('a purse that cannot be written breaks no answer that was handed on', async () => {
  const outcome = await answered(new L402Error('store_unavailable', 'the database is locked'))
  expect(await tellBooks(outcome, 'whole')).toMatch(/could not note how the answer ended: .*locked/)
})

it('a defect is not taken for such a fault', async () => {
  const outcome = await answered(new TypeError('a defect'))
  await expect(tellBooks(outcome, 'whole')).rejects.toThrow('a defect')
})
