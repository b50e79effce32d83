/** `cors`: which pages of other origins may read a service's answers. */

import type { CorsPolicy } from '@turnpike/l402/server'
import { z } from 'zod'
import type { Report } from './metered.ts'
import { duration, flag, text } from './values.ts'

const KEYS = 'origins credentials methods headers expose maxAge'
const names = (expected: string): z.ZodArray<z.ZodString> =>
  z.array(text(expected).regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, { error: () => expected }), {
    error: () => expected,
  })
const origins = z
  .array(
    text('an origin').regex(/^(?:https?:\/\/[a-z0-9.-]+(?::[0-9]{1,5})?|null)$/, {
      error: () => 'an origin such as https://app.example.com, in lower case and without a path',
    }),
    { error: () => '"any" or a list of origins' },
  )
  .min(1, { error: () => 'at least one origin' })

/** `cors` of a service. */
export const corsSchema = z.union(
  [
    z.literal('off'),
    z.strictObject(
      {
        origins: z
          .union([z.literal('any'), origins], {
            error: () => '"any" or a list of origins such as https://app.example.com',
          })
          .optional()
          .describe('Origins whose pages may read answers, or any. Default any.'),
        credentials: flag
          .optional()
          .describe('Whether they may send cookies and the like; needs a list of origins. Default false.'),
        methods: names('a list of methods such as [GET, PUT]')
          .optional()
          .describe('Methods that a page may use. Default: all that the routes take.'),
        headers: names('a list of header names')
          .optional()
          .describe('Header fields that a page may send, besides Authorization. Default: any.'),
        expose: names('a list of header names')
          .optional()
          .describe(
            'Header fields of the upstream that a page may read, besides those of payment. Default: none.',
          ),
        maxAge: duration
          .optional()
          .describe('How long browsers may keep the answer to a preflight. Default 10m.'),
      },
      { error: (issue) => (issue.code === 'unrecognized_keys' ? KEYS : 'keys such as "origins", or "off"') },
    ),
  ],
  { error: () => '{ origins: [https://app.example.com] } or "off"' },
)

/** A service's policy: `undefined` where the file says nothing, `null` for `off`. */
export function readCors(
  cors: z.infer<typeof corsSchema> | undefined,
  report: Report,
): CorsPolicy | null | undefined {
  if (cors === undefined) return undefined
  if (cors === 'off') return null
  const { origins: from = 'any', credentials = false, methods, headers, expose = [], maxAge = 600 } = cors
  if (credentials && from === 'any')
    report(['cors', 'credentials'], 'any page could act for its visitors, expected a list of "origins"')
  return {
    origins: from,
    credentials,
    ...(methods === undefined ? {} : { methods }),
    ...(headers === undefined ? {} : { headers }),
    expose,
    maxAgeSeconds: maxAge,
  }
}
