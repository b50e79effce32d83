import { expect, it } from 'vitest'
import { paint, wantsColour } from './colour.ts'

it('colours on terminals alone, and never where NO_COLOR is set or the terminal is dumb', () => {
  expect(wantsColour(true, {})).toBe(true)
  expect(wantsColour(false, {})).toBe(false)
  expect(wantsColour(true, { NO_COLOR: '1' })).toBe(false)
  expect(wantsColour(true, { NO_COLOR: '' })).toBe(true)
  expect(wantsColour(true, { TERM: 'dumb' })).toBe(false)
  const streams = { out: async () => true, err: () => {} }
  expect(paint({ ...streams, colour: true }, 'red', 'x')).toBe('\u001b[31mx\u001b[0m')
  expect(paint({ ...streams, colour: false }, 'red', 'x')).toBe('x')
})
