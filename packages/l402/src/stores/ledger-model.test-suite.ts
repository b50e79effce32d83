import fc from 'fast-check'
import { expect } from 'vitest'
import type { Ledger, NotReserved, Reservation } from './ledger.ts'

/** Books as simple as they can be: counters, open reservations and revocations by small numbers. */
interface Model {
  readonly used: Map<number, bigint>
  readonly open: Map<bigint, readonly ModelUse[]>
  readonly serving: Set<bigint>
  readonly revoked: Set<string>
}

interface ModelUse {
  readonly counter: number
  readonly limit: bigint
  readonly amount: bigint
}

type Command =
  | { readonly do: 'reserve'; readonly payer: number; readonly uses: readonly ModelUse[] }
  | { readonly do: 'serve' | 'commit' | 'release'; readonly which: number }
  | { readonly do: 'revoke'; readonly by: 'tokenId' | 'paymentHash'; readonly payer: number }
  | { readonly do: 'read' }

/** Commands of one step are asked in one turn; between steps the answers are awaited. */
type Step = { readonly restart: true } | { readonly restart: false; readonly commands: readonly Command[] }

const COUNTERS = 4

const uses = fc.array(
  fc.record({
    counter: fc.nat(COUNTERS - 1),
    limit: fc.bigInt(0n, 14n),
    amount: fc.bigInt(1n, 4n),
  }),
  { minLength: 1, maxLength: 4 },
)
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('reserve' as const), payer: fc.nat(4), uses }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('serve' as const), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('commit' as const), which: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('revoke' as const),
      by: fc.constantFrom('tokenId' as const, 'paymentHash' as const),
      payer: fc.nat(4),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('read' as const) }) },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      restart: fc.constant(false as const),
      commands: fc.array(command, { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ restart: fc.constant(true as const) }) },
)

function reserveInModel(
  model: Model,
  payer: number,
  wanted: readonly ModelUse[],
): readonly bigint[] | NotReserved {
  if (model.revoked.has(`tokenId ${payer}`) || model.revoked.has(`paymentHash ${payer}`))
    return { ok: false, failed: 'revoked' }
  const after = new Map(model.used)
  const states: bigint[] = []
  for (const [index, { counter, limit, amount }] of wanted.entries()) {
    const sum = (after.get(counter) ?? 0n) + amount
    if (sum > limit) return { ok: false, failed: index }
    after.set(counter, sum)
    states.push(sum)
  }
  for (const [counter, sum] of after) model.used.set(counter, sum)
  return states
}

function releaseInModel(model: Model, id: bigint): void {
  for (const { counter, amount } of model.open.get(id) ?? [])
    model.used.set(counter, (model.used.get(counter) ?? 0n) - amount)
  model.open.delete(id)
}

/** What the death of the process means: what was being served counts, the rest is given back. */
function endAllInModel(model: Model): void {
  for (const id of [...model.open.keys()]) {
    if (model.serving.has(id)) model.open.delete(id)
    else releaseInModel(model, id)
  }
}

let runs = 0

/** Names of one run, so that all runs share one ledger. */
function namesOfRun(): (kind: number, n: number) => Uint8Array {
  const run = ++runs
  return (kind, n) => {
    const name = new Uint8Array(32).fill(9)
    new DataView(name.buffer).setUint32(0, run)
    name[4] = kind
    name[5] = n
    return name
  }
}

/** The property: a ledger executes commands in the order they are asked in, just as the model does. */
export function agreesWithModel(system: {
  readonly current: () => Ledger
  /** Answers whether there was a restart. */
  readonly restart: () => Promise<boolean>
}): fc.IAsyncProperty<[Step[]]> {
  return fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
    const model: Model = { used: new Map(), open: new Map(), serving: new Set(), revoked: new Set() }
    const name = namesOfRun()
    const keys = Array.from({ length: COUNTERS }, (_, n) => name(0, n))
    const payer = (n: number) => ({ paymentHash: name(1, n), tokenId: name(2, n), service: 'weather' })
    const ids: bigint[] = []

    for (const each of steps) {
      if (each.restart) {
        if (await system.restart()) endAllInModel(model)
        continue
      }
      const ledger = system.current()
      // Asked all at once; what the model says of each is compared when it answers.
      const checks = each.commands.map(async (asked): Promise<void> => {
        switch (asked.do) {
          case 'reserve': {
            const expected = reserveInModel(model, asked.payer, asked.uses)
            const wanted = asked.uses.map(({ counter, limit, amount }) => ({
              key: name(0, counter),
              limit,
              amount,
            }))
            const outcome: Reservation | NotReserved = await ledger.reserve({
              redemption: payer(asked.payer),
              uses: wanted,
            })
            if (!outcome.ok) return void expect(outcome).toEqual(expected)
            expect(outcome.states.map(({ used }) => used)).toEqual(expected)
            expect(ids).not.toContain(outcome.id)
            ids.push(outcome.id)
            model.open.set(outcome.id, asked.uses)
            return
          }
          case 'serve':
          case 'commit':
          case 'release': {
            const id = ids[asked.which % (ids.length || 1)] ?? 0n
            if (asked.do === 'serve' && model.open.has(id)) model.serving.add(id)
            else if (asked.do === 'serve')
              return void (await expect(ledger.serve(id)).rejects.toMatchObject({
                code: 'store_unavailable',
              }))
            else if (asked.do === 'commit') model.open.delete(id)
            else releaseInModel(model, id)
            await ledger[asked.do](id)
            return
          }
          case 'revoke':
            model.revoked.add(`${asked.by} ${asked.payer}`)
            await ledger.revoke(
              asked.by === 'tokenId'
                ? { tokenId: payer(asked.payer).tokenId }
                : { paymentHash: payer(asked.payer).paymentHash },
            )
            expect(ledger.isRevoked(payer(asked.payer))).toBe(true)
            return
          case 'read': {
            const expected = keys.map((_, n) => ({ used: model.used.get(n) ?? 0n }))
            expect(await ledger.read(keys)).toEqual(expected)
          }
        }
      })
      await Promise.all(checks)
    }
    const used = await system.current().read(keys)
    expect(used).toEqual(keys.map((_, n) => ({ used: model.used.get(n) ?? 0n })))
  })
}
