import { expect, it } from 'vitest'
import { statedSize } from './packages.ts'

it('a stated size stays while it is right to within one KiB, and is measured anew where it is not', () => {
  expect([statedSize(41.4, undefined), statedSize(41.6, undefined)]).toEqual([41, 42])
  expect([statedSize(41.6, 41), statedSize(40.4, 41), statedSize(42, 41)]).toEqual([41, 41, 41])
  expect([statedSize(42.1, 41), statedSize(39.9, 41)]).toEqual([42, 40])
})
