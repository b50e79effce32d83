/** `lightning.strict`: whether the node itself must call an invoice settled before its credential is honoured. */

import type { ConfigIssue } from './issue.ts'
import type { YamlSource } from './yaml-source.ts'

/** Of several backends one that says so is enough: whoever made the invoice is asked. */
export function readStrict(source: YamlSource, issues: ConfigIssue[]): boolean {
  const value = source.get(['lightning'])
  const paths = Array.isArray(value)
    ? value.map((_, at) => ['lightning', at, 'strict'] as const)
    : [['lightning', 'strict'] as const]
  let strict = false
  for (const path of paths) {
    const given = source.get([...path])
    if (given === undefined) continue
    if (typeof given === 'boolean') strict ||= given
    else
      issues.push({
        position: source.locate([...path]),
        message: `${path.join('.')}: not true or false, expected true to have the node asked whether an invoice is settled`,
      })
  }
  return strict
}
