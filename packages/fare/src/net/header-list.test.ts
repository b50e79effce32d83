import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HeaderList, headerList } from './header-list.ts'
import { PlainResponse } from './plain-response.ts'

const name = fc.constantFrom(
  'Accept',
  'accept',
  'X-One',
  'cookie',
  'Set-Cookie',
  'set-cookie',
  'b@d',
  '',
  'a b',
)
const value = fc.constantFrom('', 'a', ' padded\t', 'a, b', 'é', '€', 'line\nfeed', '\0')
const step = fc.oneof(
  fc.tuple(fc.constantFrom('append' as const, 'set' as const), name, value),
  fc.tuple(fc.constant('delete' as const), fc.constantFrom('accept', 'X-One', 'SET-COOKIE')),
)

describe('header lines', () => {
  it('are what the platform would have made of the same steps', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const mine = new HeaderList()
        const theirs = new Headers()
        for (const one of steps) expect(tried(mine, one)).toBe(tried(theirs, one))
        expect([...mine]).toEqual([...theirs])
        expect([mine.getSetCookie(), mine.get('ACCEPT'), mine.has('x-one')]).toEqual([
          theirs.getSetCookie(),
          theirs.get('accept'),
          theirs.has('x-one'),
        ])
      }),
    )
  })

  it('are read from every form that fetch takes', () => {
    const lines = [['accept', 'a']]
    for (const form of [{ Accept: 'a' }, [['Accept', 'a']], new Headers({ accept: 'a' })] as HeadersInit[])
      expect([...headerList(form)]).toEqual(lines)
  })
})

describe('an answer', () => {
  const answer = (text: string): PlainResponse =>
    new PlainResponse({
      status: 999,
      statusText: 'Odd',
      headers: new HeaderList([['content-type', 'application/json']]),
      body: new Blob([text]).stream(),
    })

  it('can be read whole, and copied before', async () => {
    const first = answer('{"a":1}')
    const copy = first.clone()
    expect([first.status, first.ok, copy.headers.get('content-type')]).toEqual([
      999,
      false,
      'application/json',
    ])
    expect(await first.json()).toEqual({ a: 1 })
    expect([await copy.text(), copy.bodyUsed, first.bodyUsed]).toEqual(['{"a":1}', true, true])
  })
})

function tried(headers: Headers, [how, ...what]: readonly [string, string, string?]): boolean {
  try {
    if (how === 'delete') headers.delete(what[0])
    else headers[how as 'append' | 'set'](what[0], what[1] ?? '')
    return true
  } catch {
    return false
  }
}
