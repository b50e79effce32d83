/** `discovery` in the file, and what services say for it. */

import { basename, resolve } from 'node:path'
import { z } from 'zod'
import { readOwnDocument } from '../discovery/own-document.ts'
import type { Titles } from '../discovery/titles.ts'
import type { ServiceConfig } from './config.ts'
import type { ConfigIssue } from './issue.ts'
import type { Report } from './metered.ts'
import { section } from './section.ts'
import { text } from './values.ts'

const EXPECTED = 'off, or a table with "title" and "description"'

/** What the documents say of all that is sold, or that there are none. */
export const discoverySchema = z.union(
  [
    z.literal('off'),
    section(EXPECTED, {
      title: text('a text').optional().describe('What all of it is called. Default "Paid API".'),
      description: text('a text').optional().describe('What all of it is.'),
    }),
  ],
  { error: () => EXPECTED },
)

/** What the file says; served with no title if it says nothing. */
export function readDiscovery(value: z.infer<typeof discoverySchema> | undefined): Titles | undefined {
  if (value === 'off') return undefined
  return { title: value?.title, description: value?.description }
}

/** The upstream's own document; `undefined` where none is named, or it is not one, which is reported. */
export function readOpenApi(
  file: string | undefined,
  { folder, report }: { readonly folder: string; readonly report: Report },
): Record<string, unknown> | undefined {
  if (file === undefined) return undefined
  try {
    return readOwnDocument(resolve(folder, file))
  } catch (error) {
    report(['openapi'], `${basename(file)}: ${error instanceof Error ? error.message : 'cannot be read'}`)
    return undefined
  }
}

/** One document of an upstream on each host: two could use one name for different things. */
export function checkDocuments(services: readonly ServiceConfig[], issues: ConfigIssue[]): void {
  const owners = new Map<string, string>()
  for (const { name, hosts, openapi, position } of services) {
    if (openapi === undefined) continue
    for (const host of hosts.length === 0 ? ['*'] : hosts) {
      const other = owners.get(host)
      if (other !== undefined) {
        const message = `services.${name}.openapi: the service ${other} has a document on the same hosts, expected one for each host`
        issues.push({ position, message })
        break
      }
      owners.set(host, name)
    }
  }
}
