/** Gate and router read one path (protocol S1): a spelling of a priced path that passes unpaid gives the resource away. */

import { passes } from './ask.ts'
import type { Report } from './finding.ts'
import type { Send } from './refused-rules.ts'

/** Other spellings of a path, and header lines that some servers take for one. */
function spellingsOf({
  pathname,
  search,
}: URL): readonly { readonly name: string; readonly target: string }[] {
  const [first = '', ...rest] = [...pathname.slice(1)]
  const tail = rest.join('') + search
  return [
    { name: 'a doubled slash', target: `//${first}${tail}` },
    { name: 'a dot segment', target: `/./${first}${tail}` },
    { name: 'a way up', target: `/turnpike-doctor/../${first}${tail}` },
    { name: 'an encoded way up', target: `/turnpike-doctor/%2e%2e/${first}${tail}` },
    { name: 'an encoded slash', target: `/turnpike-doctor/..%2f${first}${tail}` },
    ...(/[a-z0-9]/i.test(first)
      ? [{ name: 'an encoded letter', target: `/%${first.charCodeAt(0).toString(16)}${tail}` }]
      : []),
  ]
}

/** Asks for each without a credential. Nothing is told where the server answers whatever it is asked for. */
export async function checkSpellings(send: Send, url: URL, report: Report): Promise<void> {
  if (url.pathname === '/') return
  const anything = await send([], { target: '/turnpike-doctor/no-such-path' })
  if (passes(anything)) return
  for (const { name, target } of spellingsOf(url)) {
    const came = await send([], { target })
    if (came.status === 429) return
    // A redirect to the one right spelling gives nothing away.
    if (came.status < 200 || came.status > 299) continue
    report(
      'error',
      'S1',
      `the path spelled with ${name} is answered ${came.status} unpaid`,
      'Price and forward one normalised path: what the router reads must be what the gate has read.',
    )
  }
}
