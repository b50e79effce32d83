import { beforeEach, expect, it } from 'vitest'
import { OwnerWatch } from './owners.ts'

let watch: OwnerWatch
beforeEach(() => {
  watch = new OwnerWatch(1_000)
})
/** Looks every 100 ms from one time to another at an owner whose number stands still. */
const stare = (from: number, to: number, seq = '5'): unknown[] => {
  const dead: unknown[] = []
  for (let now = from; now <= to; now += 100) dead.push(...watch.look(['me', '1', 'other', seq], 'me', now))
  return dead
}

it('takes an owner for dead that was silent for the whole lease, and never itself', () => {
  expect(stare(0, 900)).toEqual([])
  expect(stare(1_000, 1_000)).toEqual([['other', '5']])
})

it('lets a lease begin anew with every call', () => {
  expect(stare(0, 900)).toEqual([])
  expect(stare(1_000, 1_900, '6')).toEqual([])
})

it('does not count time in which it did not look', () => {
  expect(stare(0, 900)).toEqual([])
  expect(stare(5_000, 5_900)).toEqual([])
  expect(stare(6_000, 6_000)).toEqual([['other', '5']])
})

it('does not count time before it was cut off', () => {
  expect(stare(0, 900)).toEqual([])
  watch.forget()
  expect(stare(1_000, 1_900)).toEqual([])
})

it('forgets owners that left', () => {
  expect(stare(0, 900)).toEqual([])
  watch.look([], 'me', 950)
  expect(stare(1_000, 1_900)).toEqual([])
})

it('takes over at once what another has begun to end', () => {
  expect(stare(0, 0, '-')).toEqual([['other', '-']])
})
