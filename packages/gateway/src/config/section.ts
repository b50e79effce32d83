import { z } from 'zod'

/** An object that knows all its keys; the message of an unknown one is the list of those there are. */
export function section<const S extends z.core.$ZodLooseShape>(
  expected: string,
  shape: S,
): z.ZodObject<S, z.core.$strict> {
  const known = Object.keys(shape).join(' ')
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? known : expected),
  })
}
