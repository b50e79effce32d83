/** The few assertions the cases need; they throw like any runner's. */

import { encodeHex } from '../../core/bytes.ts'
import { isL402Error, type L402ErrorCode } from '../../core/errors.ts'

/** Throws an error that says what was expected. */
export function expectThat(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`expected ${what}`)
}

/** Throws unless both are equal, as text; bytes as hex. */
export function expectEqual(got: unknown, wanted: unknown, what: string): void {
  const [a, b] = [show(got), show(wanted)]
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`)
}

/** What a promise rejects with. Throws where it does not. */
export async function rejection(promise: Promise<unknown>, what: string): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error(`${what}: expected a rejection`)
}

/** Throws unless the promise rejects with a fault of this code; answers its message. */
export async function expectFault(
  promise: Promise<unknown>,
  codes: readonly L402ErrorCode[],
  what: string,
): Promise<string> {
  const error = await rejection(promise, what)
  const named = codes.some((code) => isL402Error(error, code))
  if (!named) throw new Error(`${what}: expected ${codes.join(' or ')}, got ${String(error)}`)
  return error instanceof Error ? error.message : ''
}

/** Asks until it holds. Throws after `timeoutMs`. */
export async function eventually<T>(
  ask: () => Promise<T>,
  holds: (value: T) => boolean,
  { what, timeoutMs = 20_000 }: { readonly what: string; readonly timeoutMs?: number },
): Promise<T> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const value = await ask()
    if (holds(value)) return value
    if (Date.now() > end) throw new Error(`${what}: still ${show(value)} after ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === 'bigint') return `${one}`
    return one instanceof Uint8Array ? encodeHex(one) : one
  })
}
