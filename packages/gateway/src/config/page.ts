/** The payment page: `page` at the top of the file, and of a service. */

import { ENGLISH_PAGE } from '@turnpike/l402/server'
import { z } from 'zod'
import { section } from './section.ts'
import { text } from './values.ts'

/** What a file may say of the page. */
export const pageSchema = z
  .union(
    [
      z.literal(false),
      section('a "language" or a "text"', {
        language: text('a language tag such as en or pt-BR')
          .regex(/^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/, {
            error: () => 'a language tag such as en or pt-BR',
          })
          .optional()
          .describe('The page’s language tag. Default en.'),
        text: z
          .partialRecord(z.enum(Object.keys(ENGLISH_PAGE)), text('at most 500 characters').max(500), {
            error: () => `words by their names: ${Object.keys(ENGLISH_PAGE).join(', ')}`,
          })
          .optional()
          .describe('Words in place of the English ones, by name (docs/page.md).'),
      }),
    ],
    { error: () => 'false, or a table with a "language" or a "text"' },
  )
  .describe('The page that browsers get with a 402; false: the problem in JSON, like everybody.')

/** What a service may say of it. */
export const servicePageSchema = z
  .union(
    [
      z.literal(false),
      section('a "title" or a "brand"', {
        title: text('a title of at most 200 characters')
          .max(200)
          .optional()
          .describe('What is sold. Default: the service’s name.'),
        brand: text('a name of at most 200 characters')
          .max(200)
          .optional()
          .describe('Who sells, above the heading. Default: nobody.'),
      }),
    ],
    { error: () => 'false, or a table with a "title" or a "brand"' },
  )
  .describe('What the payment page says of the service; false: no page.')

/** A page as the file says it, without the keys that it leaves out. */
export function pageOf<T extends object>(page: T | false | undefined): Defined<T> | false {
  if (page === false) return false
  return Object.fromEntries(
    Object.entries(page ?? {}).filter(([, value]) => value !== undefined),
  ) as Defined<T>
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> }
