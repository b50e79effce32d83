/**
 * How much text a function goes through: characters read one by one, and the length of all text that the string
 * methods which look at every character were given or made. Tells linear from quadratic without a clock.
 */
export function countReads(run: () => unknown): number {
  let reads = 0
  const { charCodeAt, slice, includes, replace, toLowerCase, indexOf, split, trim } = String.prototype
  const prototype = String.prototype as unknown as Record<string, unknown>
  const whole = { includes, replace, toLowerCase, indexOf, split, trim }
  prototype['charCodeAt'] = function (this: string, at: number): number {
    reads++
    return charCodeAt.call(this, at)
  }
  prototype['slice'] = function (this: string, from?: number, to?: number): string {
    const part = slice.call(this, from, to)
    reads += part.length
    return part
  }
  for (const [name, method] of Object.entries(whole)) {
    prototype[name] = function (this: string, ...args: unknown[]): unknown {
      reads += this.length
      return Reflect.apply(method, this, args)
    }
  }
  try {
    run()
  } finally {
    Object.assign(prototype, { charCodeAt, slice, ...whole })
  }
  return reads
}
