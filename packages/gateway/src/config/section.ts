/** The shapes that parts of the file's schema are made of. */

import { z } from 'zod'
import { text } from './values.ts'

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

/** A table whose keys are the user's. */
export const table = (expected: string): z.ZodRecord<z.ZodString, z.ZodUnknown> =>
  z.record(z.string(), z.unknown(), { error: () => expected })

/** A list of texts. */
export const list = (expected: string): z.ZodArray<z.ZodString> =>
  z.array(text(expected), { error: () => expected }).min(1, { error: () => expected })
