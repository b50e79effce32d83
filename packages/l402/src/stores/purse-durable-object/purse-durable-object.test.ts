import { describe, expect, it } from 'vitest'
import { intentOf, NO_LIMITS, proofOf } from '../../../test/support/purse-samples.ts'
import { purseContract } from '../purse-contract.test-suite.ts'
import { durableObjectPurse, type ObjectStorage, type PurseDoor, purseDoor } from './index.ts'

// The real one runs in `npm run test:runtimes`, in workerd.
function newStorage(): ObjectStorage & { readonly rows: Map<string, unknown>; fails: boolean } {
  const self = {
    rows: new Map<string, unknown>(),
    fails: false,
    async list({ prefix }: { readonly prefix: string }) {
      return new Map([...self.rows].filter(([key]) => key.startsWith(prefix)).sort())
    },
    async transaction<T>(
      work: (writer: Parameters<Parameters<ObjectStorage['transaction']>[0]>[0]) => Promise<T>,
    ) {
      const rows = new Map(self.rows)
      const result = await work({
        async put(key, value) {
          rows.set(key, value)
        },
        delete: async (key) => rows.delete(key),
      })
      if (self.fails) throw new Error('the disk is gone')
      self.rows = rows
      return result
    },
  }
  return self
}

purseContract('durableObjectPurse', async (now) => durableObjectPurse(purseDoor(newStorage(), { now })))

describe('durableObjectPurse', () => {
  it('keeps everything over the lives of the object, as of the isolates', async () => {
    const storage = newStorage()
    const first = durableObjectPurse(purseDoor(storage))
    await first.reserve(intentOf(2), NO_LIMITS)
    await first.reserve(intentOf(1, { createdAtMs: intentOf(2).createdAtMs }), NO_LIMITS)
    await first.settle(proofOf(1).paymentHash, { preimage: proofOf(1).preimage, feeMsat: 3n })
    const later = durableObjectPurse(purseDoor(storage))
    expect(await later.payments(9)).toEqual(await first.payments(9))
    expect(await later.credentials()).toHaveLength(1)
  })

  it('acknowledges nothing that the storage did not take, and has the truth afterwards', async () => {
    const storage = newStorage()
    const purse = durableObjectPurse(purseDoor(storage))
    await purse.reserve(intentOf(1), NO_LIMITS)
    storage.fails = true
    await expect(purse.reserve(intentOf(2), NO_LIMITS)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await purse.payments(9)).toHaveLength(1)
    storage.fails = false
    expect(await purse.reserve(intentOf(2), NO_LIMITS)).toEqual({ ok: true })
  })

  it('lets nobody pay who was given a lock in an earlier life of the object', async () => {
    const storage = newStorage()
    let door = purseDoor(storage)
    // Objects come and go behind one stub.
    const stub: PurseDoor = {
      purseCall: (call) => door.purseCall(call),
      purseLock: (name, task) => door.purseLock(name, task),
    }
    const purse = durableObjectPurse(stub)
    await purse.withLock('scope', async () => {
      await purse.reserve(intentOf(1), NO_LIMITS)
      door = purseDoor(storage)
      await expect(purse.beginPaying(intentOf(1).paymentHash)).rejects.toMatchObject({
        code: 'store_unavailable',
      })
      await expect(purse.reserve(intentOf(2), NO_LIMITS)).rejects.toMatchObject({ code: 'store_unavailable' })
      // What was paid can be recorded all the same.
      await purse.settle(proofOf(1).paymentHash, { preimage: proofOf(1).preimage, feeMsat: 3n })
    })
    expect(await purse.reserve(intentOf(2), NO_LIMITS)).toEqual({ ok: true })
  })

  it('brings what was begun under a lock to its end when the object goes away', async () => {
    let lose: (error: Error) => void = () => {}
    const door = purseDoor(newStorage())
    const stub: PurseDoor = {
      purseCall: (call) => door.purseCall(call),
      purseLock: (name, task) =>
        Promise.race([door.purseLock(name, task), new Promise<void>((_, reject) => (lose = reject))]),
    }
    const purse = durableObjectPurse(stub)
    const result = purse.withLock('scope', async () => {
      lose(new Error('the object was moved'))
      return await purse.spent()
    })
    expect(await result).toMatchObject({ totalMsat: 0n })
  })

  it('says that the object cannot be reached', async () => {
    const lost = () => Promise.reject(new Error('overloaded'))
    const purse = durableObjectPurse({ purseCall: lost, purseLock: lost })
    await expect(purse.payments(1)).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(purse.withLock('scope', async () => {})).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  it('answers no call but those of a purse', async () => {
    const door = purseDoor(newStorage())
    for (const name of ['close', 'withLock', 'constructor', '__proto__', 'then'])
      expect(await door.purseCall({ name, args: [], lives: [] })).toMatchObject({
        ok: false,
        name: 'TypeError',
      })
  })

  it('refuses a KV namespace at set-up', () => {
    const kv = { get: async () => null, put: async () => {}, delete: async () => {}, list: async () => ({}) }
    expect(() => durableObjectPurse(kv as unknown as PurseDoor)).toThrow(/KV namespace cannot/)
    expect(() => durableObjectPurse(undefined as unknown as PurseDoor)).toThrow(TypeError)
  })
})
