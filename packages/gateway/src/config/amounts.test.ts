import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { describe, expect, it } from 'vitest'
import { CommandError } from '../cli/exit.ts'
import { checkSellable } from './amounts.ts'
import type { Config } from './config.ts'
import { ConfigError } from './issue.ts'
import { parseConfig } from './load.ts'

const file = (lightning: string, price = '5 sat'): string => `lightning: ${lightning}
services:
  a:
    upstream: http://127.0.0.1:9000
    routes:
      - { match: /free, free: true }
      - { match: /x, price: ${price} }
`
const read = (text: string, sandbox = false): Config =>
  parseConfig(text, { file: 'turnpike.yaml', folder: '/', env: {}, sandbox })

function faultOf(text: string): string {
  try {
    read(text)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return ''
}

const SANDBOX = (limits: string): string => `{ backend: sandbox, ${limits} }`
const LNURL = (limits: string): string => `{ backend: lnurl, address: a@shop.example, ${limits} }`

describe('minAmount and maxAmount', () => {
  it('are read with their units, and the narrowest of several backends count', () => {
    const { amounts, lightning } = read(
      file(`[${LNURL('minAmount: 1 sat, maxAmount: 90 sat')}, ${LNURL('minAmount: 2500 msat')}]`),
    )
    expect(amounts).toEqual({ leastMsat: 2_500n, mostMsat: 90_000n })
    expect(lightning.map(({ settings }) => Object.keys(settings))).toEqual([['address'], ['address']])
    expect(read(file('sandbox')).amounts).toEqual({})
  })

  it('let prices at both ends through', () => {
    expect(read(file(SANDBOX('minAmount: 5 sat, maxAmount: 5 sat'))).services).toHaveLength(1)
  })

  it.each([
    ['minAmount: 6 sat', 'turnpike.yaml:7:29: price: 5 sat is below the 6 sat that can be received'],
    ['maxAmount: 4999 msat', 'turnpike.yaml:7:29: price: 5 sat is above the 4999 msat that can be received'],
    ['minAmount: 5', 'turnpike.yaml:1:43: lightning.minAmount: 5 has no unit, expected an amount'],
    ['minAmount: lots', 'turnpike.yaml:1:43: lightning.minAmount: not an amount'],
    ['maxAmount: 0 sat', 'turnpike.yaml:1:43: lightning.maxAmount: a price of nothing'],
    [
      'minAmount: 9 sat, maxAmount: 1 sat',
      'turnpike.yaml:1:61: lightning.maxAmount: no amount is at least 9 sat and at most 1 sat',
    ],
  ])('of %s are told with their place', (limits, fault) => {
    expect(faultOf(file(SANDBOX(limits)))).toContain(fault)
  })

  it('leave prices alone that a pricer says, and the sandbox of --sandbox', () => {
    expect(faultOf(file(SANDBOX('minAmount: 6 sat'), '{ expr: "1 sat" }'))).toBe('')
    expect(read(file(SANDBOX('minAmount: 6 sat')), true).amounts).toEqual({})
  })
})

describe('what the opened backend itself takes', () => {
  const taking = (leastMsat: bigint) => ({
    invoiceCapabilities: { ...memoryLightning().invoiceCapabilities, amounts: { leastMsat } },
  })

  it('is held against the fixed prices, with their place', () => {
    expect(() => checkSellable(read(file('sandbox')), taking(5_000n))).not.toThrow()
    const check = (): void => checkSellable(read(file('sandbox')), taking(5_001n))
    expect(check).toThrow(CommandError)
    expect(check).toThrow('turnpike.yaml:7:18: price: 5 sat is below the 5001 msat that can be received')
  })

  it('is an error where no amount is within it and the limits of the file', () => {
    const config = read(file(SANDBOX('maxAmount: 6 sat')))
    expect(() => checkSellable(config, taking(7_000n))).toThrow(
      /lightning: .*at least 7 sat and at most 6 sat/,
    )
  })
})
