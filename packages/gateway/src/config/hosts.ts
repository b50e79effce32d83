/** `hosts` of a service: names, or expressions of the `Host` line. */

import type { HeaderCondition } from '@turnpike/l402/server'
import { RE2JS } from 're2js'

/** Which hosts a service is for. Both empty: every host that no service names. */
export interface Hosts {
  readonly names: readonly string[]
  /**
   * What the `Host` line must hold as it came, for every route of the service: the first route counts whose host and path
   * match, so that two services with expressions follow each other in the order written.
   */
  readonly expression: HeaderCondition | undefined
}

/** Splits entries that have been checked. */
export function readHosts(entries: readonly string[]): Hosts {
  const sources = entries.filter((entry) => entry.startsWith('~')).map((entry) => entry.slice(1))
  const expressions = sources.map((source) => RE2JS.compile(source))
  return {
    names: entries.filter((entry) => !entry.startsWith('~')),
    expression:
      sources.length === 0
        ? undefined
        : {
            name: 'host',
            source: sources.join('\n'),
            test: (host) => expressions.some((expression) => expression.testExact(host)),
          },
  }
}
