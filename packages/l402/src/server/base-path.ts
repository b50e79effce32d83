/** What clients' addresses have before the path that a handler sees, where something in front takes it off. */

import { normaliseTarget } from './target.ts'

/** @throws RangeError for what is no path in normal form; empty is none. */
export function checkBasePath(basePath: string): void {
  if (basePath === '') return
  const target = normaliseTarget(basePath)
  if (!basePath.startsWith('/') || basePath.endsWith('/') || !target.ok || target.path !== basePath)
    throw new RangeError(
      'invalid basePath: expected a path in normal form, without a slash at its end, e.g. /shop',
    )
}

/** A path, or a target, as clients say it. The root is the base path itself: that is how they write it. */
export function publicTarget(target: string, basePath = ''): string {
  if (basePath === '') return target
  return basePath + (target === '/' || target.startsWith('/?') ? target.slice(1) : target)
}
