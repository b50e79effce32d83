import fc from 'fast-check'
import { expect } from 'vitest'
import type { CounterState, CounterUse, Ledger, NotReserved, Redemption, Reservation } from './ledger.ts'
import { END_GRACE_MS } from './lib/ends.ts'

/** Books as simple as they can be: everything by small numbers. */
interface Model {
  readonly used: Map<number, bigint>
  /** By account: what was credited, what was lost, when it ends. */
  readonly accounts: Map<number, { credited: bigint; lost: bigint; endsAtMs: number | null }>
  /** Payments that were credited or used, and when each ends. */
  readonly redeemed: Map<number, number | null>
  readonly open: Map<bigint, readonly ModelUse[]>
  readonly serving: Set<bigint>
  readonly revoked: Set<string>
}

interface ModelUse {
  readonly counter: number
  readonly limit: bigint | 'credited'
  readonly metered: boolean
  amount: bigint
}

interface Metered {
  readonly amount: bigint
  readonly limits: readonly [bigint | null, bigint | null]
}

type Command =
  | { readonly do: 'credit'; readonly payer: number; readonly amount: bigint }
  | {
      readonly do: 'reserve'
      readonly payer: number
      readonly calls: readonly { readonly counter: number; readonly limit: bigint; readonly amount: bigint }[]
      readonly metered: Metered | null
    }
  | { readonly do: 'serve'; readonly which: number }
  | { readonly do: 'release'; readonly which: number }
  | { readonly do: 'commit'; readonly which: number; readonly actual: bigint | null }
  | { readonly do: 'draw'; readonly which: number; readonly actual: bigint }
  | { readonly do: 'revoke'; readonly by: 'tokenId' | 'paymentHash'; readonly payer: number }
  | { readonly do: 'read' }

/** Commands of one step are asked in one turn; between steps the answers are awaited. */
type Step =
  | { readonly do: 'restart' }
  | { readonly do: 'expire' }
  | { readonly do: 'ask'; readonly commands: readonly Command[] }

const PAYERS = 5
/** Payers share three token ids: a payer after the first with one tops its account up. */
const accountOf = (payer: number): number => payer % 3
/** Counters of calls are 0–3, of spend 4 and 5, accounts 6–8. */
const CALLS = 4
const ACCOUNT = 6
const COUNTERS = 9
const DAY_MS = 86_400_000
/** Days after the run's beginning at which a counter, or payment, ends. */
const ENDS: readonly (number | null)[] = [null, 0, 1, null, 0, 2]

const calls = fc.array(
  fc.record({ counter: fc.nat(CALLS - 1), limit: fc.bigInt(0n, 14n), amount: fc.bigInt(1n, 4n) }),
  { maxLength: 3 },
)
const limit = fc.option(fc.bigInt(1n, 40n))
const metered = fc.option(fc.record({ amount: fc.bigInt(1n, 9n), limits: fc.tuple(limit, limit) }))
const payer = fc.nat(PAYERS - 1)
const which = fc.nat()
const actual = fc.bigInt(0n, 25n)
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('credit' as const), payer, amount: fc.bigInt(1n, 30n) }),
  },
  {
    weight: 9,
    arbitrary: fc
      .record({ do: fc.constant('reserve' as const), payer, calls, metered })
      .filter((asked) => asked.calls.length > 0 || asked.metered !== null),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('serve' as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('draw' as const), which, actual }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('commit' as const), which, actual: fc.option(actual) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('release' as const), which }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('revoke' as const),
      by: fc.constantFrom('tokenId' as const, 'paymentHash' as const),
      payer,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('read' as const) }) },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      commands: fc.array(command, { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const) }) },
)

function usesIn({ payer, calls, metered }: Extract<Command, { do: 'reserve' }>): readonly ModelUse[] {
  const uses: ModelUse[] = calls.map((use) => ({ ...use, metered: false }))
  if (metered === null) return uses
  const { amount, limits } = metered
  for (const [index, most] of limits.entries())
    if (most !== null) uses.push({ counter: CALLS + index, limit: most, amount, metered: true })
  uses.push({ counter: ACCOUNT + accountOf(payer), limit: 'credited', amount, metered: true })
  return uses
}

const creditedIn = (model: Model, counter: number): bigint => model.accounts.get(counter)?.credited ?? 0n
const usedIn = (model: Model, counter: number): bigint => model.used.get(counter) ?? 0n

function stateIn(model: Model, counter: number): CounterState {
  const account = model.accounts.get(counter)
  const used = usedIn(model, counter)
  return account === undefined ? { used } : { used, credited: account.credited }
}

function creditInModel(model: Model, payer: number, amount: bigint, endsAtMs: number | null): boolean {
  if (model.redeemed.has(payer)) return false
  model.redeemed.set(payer, endsAtMs)
  const counter = ACCOUNT + accountOf(payer)
  const account = model.accounts.get(counter)
  if (account === undefined) model.accounts.set(counter, { credited: amount, lost: 0n, endsAtMs })
  else {
    account.credited += amount
    account.endsAtMs =
      account.endsAtMs === null || endsAtMs === null ? null : Math.max(account.endsAtMs, endsAtMs)
  }
  return true
}

function reserveInModel(
  model: Model,
  payer: number,
  wanted: readonly ModelUse[],
): readonly CounterState[] | NotReserved {
  if (model.revoked.has(`tokenId ${accountOf(payer)}`) || model.revoked.has(`paymentHash ${payer}`))
    return { ok: false, failed: 'revoked' }
  const before = new Map(model.used)
  const states: CounterState[] = []
  for (const [index, use] of wanted.entries()) {
    const sum = usedIn(model, use.counter) + use.amount
    if (sum > (use.limit === 'credited' ? creditedIn(model, use.counter) : use.limit)) {
      model.used.clear()
      for (const [counter, used] of before) model.used.set(counter, used)
      return { ok: false, failed: index }
    }
    model.used.set(use.counter, sum)
    states.push(stateIn(model, use.counter))
  }
  return states
}

function releaseInModel(model: Model, id: bigint): void {
  for (const { counter, amount } of model.open.get(id) ?? [])
    model.used.set(counter, usedIn(model, counter) - amount)
  model.open.delete(id)
}

/** Sets metered uses to what was measured, one msat after the other; answers what did not fit. */
function measureInModel(model: Model, uses: readonly ModelUse[], actual: bigint): bigint {
  const all = uses.filter((use) => use.metered)
  const [first] = all
  if (first === undefined) return 0n
  const change = (by: bigint): void => {
    for (const use of all) {
      use.amount += by
      model.used.set(use.counter, usedIn(model, use.counter) + by)
    }
  }
  const full = (use: ModelUse): boolean =>
    usedIn(model, use.counter) >= (use.limit === 'credited' ? creditedIn(model, use.counter) : use.limit)
  while (first.amount > actual) change(-1n)
  while (first.amount < actual && !all.some(full)) change(1n)
  return actual - first.amount
}

function commitInModel(model: Model, id: bigint, actual: bigint | null): void {
  const uses = model.open.get(id) ?? []
  const lost = actual === null ? 0n : measureInModel(model, uses, actual)
  for (const { counter } of uses) {
    const account = model.accounts.get(counter)
    if (account !== undefined) account.lost += lost
  }
  model.open.delete(id)
}

/** What the death of the process means: what was being served counts, the rest is given back. */
function endAllInModel(model: Model): void {
  for (const id of [...model.open.keys()]) {
    if (model.serving.has(id)) model.open.delete(id)
    else releaseInModel(model, id)
  }
}

function pruneInModel(model: Model, nowMs: number, endOf: (counter: number) => number | null): void {
  const over = (end: number | null): boolean => end !== null && end + END_GRACE_MS <= nowMs
  const held = new Set([...model.open.values()].flat().map(({ counter }) => counter))
  for (let counter = 0; counter < COUNTERS; counter++) {
    const account = model.accounts.get(counter)
    if (held.has(counter) || !over(account === undefined ? endOf(counter) : account.endsAtMs)) continue
    model.used.delete(counter)
    model.accounts.delete(counter)
  }
  for (const [payer, end] of model.redeemed) if (over(end)) model.redeemed.delete(payer)
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
  /** The ledger's clock, in milliseconds since 1970. */
  readonly clock: { nowMs: number }
}): fc.IAsyncProperty<[Step[]]> {
  return fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
    const model: Model = {
      used: new Map(),
      accounts: new Map(),
      redeemed: new Map(),
      open: new Map(),
      serving: new Set(),
      revoked: new Set(),
    }
    const beganAtMs = system.clock.nowMs
    const endOf = (n: number): number | null => {
      const days = ENDS[n % ENDS.length] ?? null
      return days === null ? null : beganAtMs + days * DAY_MS
    }
    const name = namesOfRun()
    const keyOf = (counter: number): Uint8Array => name(counter < ACCOUNT ? 0 : 2, counter)
    const keys = Array.from({ length: COUNTERS }, (_, counter) => keyOf(counter))
    const redemption = (n: number): Redemption => ({
      paymentHash: name(1, n),
      tokenId: keyOf(ACCOUNT + accountOf(n)),
      service: 'weather',
      endsAtMs: endOf(n),
    })
    const allInModel = (): CounterState[] =>
      keys.map((_, counter) => {
        const account = model.accounts.get(counter)
        const state = stateIn(model, counter)
        return account === undefined ? state : { ...state, lost: account.lost }
      })
    const ids: bigint[] = []

    async function ask(ledger: Ledger, asked: Command): Promise<void> {
      switch (asked.do) {
        case 'credit': {
          const expected = creditInModel(model, asked.payer, asked.amount, endOf(asked.payer))
          expect(await ledger.credit(redemption(asked.payer), asked.amount)).toBe(expected)
          return
        }
        case 'reserve': {
          const wanted = usesIn(asked)
          const expected = reserveInModel(model, asked.payer, wanted)
          if (!('ok' in expected) && !model.redeemed.has(asked.payer))
            model.redeemed.set(asked.payer, endOf(asked.payer))
          const uses = wanted.map(
            ({ counter, limit, amount, metered }): CounterUse => ({
              key: keyOf(counter),
              limit,
              amount,
              metered,
              endsAtMs: endOf(counter),
            }),
          )
          const outcome: Reservation | NotReserved = await ledger.reserve({
            redemption: redemption(asked.payer),
            uses,
          })
          if (!outcome.ok) return void expect(outcome).toEqual(expected)
          expect(outcome.states).toEqual(expected)
          expect(ids).not.toContain(outcome.id)
          ids.push(outcome.id)
          model.open.set(outcome.id, wanted)
          return
        }
        case 'serve':
        case 'draw': {
          const id = ids[asked.which % (ids.length || 1)] ?? 0n
          const open = model.open.get(id)
          const work = (): Promise<unknown> =>
            asked.do === 'serve' ? ledger.serve(id) : ledger.draw(id, asked.actual)
          if (open === undefined)
            return void (await expect(work()).rejects.toMatchObject({ code: 'store_unavailable' }))
          if (asked.do === 'serve') {
            model.serving.add(id)
            await work()
            return
          }
          const held = open.find((use) => use.metered)?.amount ?? asked.actual
          const lost = asked.actual > held ? measureInModel(model, open, asked.actual) : 0n
          expect(await work()).toBe(lost === 0n)
          return
        }
        case 'commit':
        case 'release': {
          const id = ids[asked.which % (ids.length || 1)] ?? 0n
          if (asked.do === 'release') {
            releaseInModel(model, id)
            await ledger.release(id)
            return
          }
          commitInModel(model, id, asked.actual)
          await ledger.commit(id, asked.actual ?? undefined)
          return
        }
        case 'revoke': {
          const { tokenId, paymentHash } = redemption(asked.payer)
          model.revoked.add(`${asked.by} ${asked.by === 'tokenId' ? accountOf(asked.payer) : asked.payer}`)
          await ledger.revoke(asked.by === 'tokenId' ? { tokenId } : { paymentHash })
          expect(ledger.isRevoked({ tokenId, paymentHash })).toBe(true)
          return
        }
        case 'read': {
          const expected = allInModel()
          expect(await ledger.read(keys)).toEqual(expected)
        }
      }
    }

    for (const each of steps) {
      if (each.do === 'restart') {
        if (await system.restart()) endAllInModel(model)
      } else if (each.do === 'expire') {
        system.clock.nowMs += DAY_MS
        pruneInModel(model, system.clock.nowMs, endOf)
        while ((await system.current().prune()) > 0);
      } else {
        // Asked all at once; what the model says of each is compared when it answers.
        const ledger = system.current()
        await Promise.all(each.commands.map((asked) => ask(ledger, asked)))
      }
      for (const { used, credited } of allInModel())
        if (credited !== undefined) expect(used <= credited).toBe(true)
    }
    expect(await system.current().read(keys)).toEqual(allInModel())
  })
}
