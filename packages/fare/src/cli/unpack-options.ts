import { UNPACK_BOUNDS, type UnpackBounds } from '../net/unpack-bounds.ts'
import { UsageError } from './usage-error.ts'

/** What was typed of the bounds. */
export interface TypedBounds {
  readonly 'max-unpacked'?: string | undefined
  readonly 'max-unpack-ratio'?: string | undefined
}

/**
 * The bounds as typed, `undefined` where nothing was.
 *
 * @throws UsageError naming the flag.
 */
export function typedBounds(typed: TypedBounds): UnpackBounds | undefined {
  const { 'max-unpacked': size, 'max-unpack-ratio': ratio } = typed
  if (size === undefined && ratio === undefined) return undefined
  return {
    mostBytes: size === undefined ? UNPACK_BOUNDS.mostBytes : sizeOf(size),
    mostRatio: ratio === undefined ? UNPACK_BOUNDS.mostRatio : ratioOf(ratio),
  }
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

function sizeOf(text: string): number {
  if (text === 'none') return Number.POSITIVE_INFINITY
  const [, digits = '', unit = ''] = /^([1-9][0-9]{0,11})((?:[KMGT]iB)?)$/.exec(text) ?? []
  const bytes = Number(digits) * (UNITS[unit] ?? 0)
  if (!(bytes > 0))
    throw new UsageError(`--max-unpacked: expected a size such as 4GiB, or none, got "${text}"`)
  return bytes
}

function ratioOf(text: string): number {
  if (text === 'none') return Number.POSITIVE_INFINITY
  if (!/^[1-9][0-9]{0,8}$/.test(text))
    throw new UsageError(`--max-unpack-ratio: expected a whole number such as 200, or none, got "${text}"`)
  return Number(text)
}
