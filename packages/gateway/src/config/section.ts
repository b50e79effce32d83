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

/** One value or a list of them. */
export function oneOrMore<T extends z.ZodType>(item: T, expected: string): z.ZodPreprocess<z.ZodArray<T>> {
  const list = z.array(item, { error: () => expected }).min(1, { error: () => expected })
  return z.preprocess((value) => (Array.isArray(value) || value === undefined ? value : [value]), list)
}
