import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countReads } from '../../test/count-reads.ts'
import { hostileText } from '../../test/hostile-text.ts'
import { type AuthChallenge, parseAuthChallenges } from './auth-header.ts'

function plain(challenges: readonly AuthChallenge[]): unknown[] {
  return challenges.map(({ scheme, token68, params, doubtful }) => [
    scheme,
    token68 ?? Object.fromEntries(params),
    ...doubtful,
  ])
}

function parse(...values: string[]): unknown[] {
  return plain(parseAuthChallenges(values))
}

describe('the challenge list (RFC 9110 §11.6.1)', () => {
  it('reads schemes with parameters, with a token68 and with nothing', () => {
    expect(parse('Basic realm="x", Negotiate YII+/=, Foo')).toEqual([
      ['Basic', { realm: 'x' }],
      ['Negotiate', 'YII+/='],
      ['Foo', {}],
    ])
  })

  it('reads joined and separate values alike', () => {
    const lines = ['A a=1, b="2"', 'B token68==', 'C', 'D d="x, y"']
    expect(parse(lines.join(', '))).toEqual(parse(...lines))
    expect(parse(lines.join(','))).toEqual(parse(...lines))
  })

  it('gives names in lower case and schemes as written', () => {
    expect(parse('pAyMent ID="A", Realm=B')).toEqual([['pAyMent', { id: 'A', realm: 'B' }]])
  })

  it('takes commas, equals signs and scheme names in quotes for text', () => {
    expect(parse('Payment realm="one, two=three", x="L402 macaroon=M"')).toEqual([
      ['Payment', { realm: 'one, two=three', x: 'L402 macaroon=M' }],
    ])
  })

  it('takes quoted-pairs off', () => {
    expect(parse(String.raw`A a="say \"hi\"", b="\\", c="\x", d=""`)).toEqual([
      ['A', { a: 'say "hi"', b: '\\', c: 'x', d: '' }],
    ])
  })

  it('keeps tabs and text beyond ASCII in quotes', () => {
    expect(parse('A a="caf\u00e9\there"')).toEqual([['A', { a: 'caf\u00e9\there' }]])
  })

  it('allows blanks around the equals sign and empty list elements', () => {
    expect(parse(' ,, A a = "1" ,\t, b\t=2,, ,B c= 3,')).toEqual([
      ['A', { a: '1', b: '2' }],
      ['B', { c: '3' }],
    ])
  })

  it('reads unquoted values to the next comma, blank or quote', () => {
    expect(parse('A a=AgEE+/==, b=c')).toEqual([['A', { a: 'AgEE+/==', b: 'c' }]])
  })

  it('forgives a comma that is missing between parameters', () => {
    expect(parse('L402 version="0" macaroon="M"\tinvoice="I", token=T')).toEqual([
      ['L402', { version: '0', macaroon: 'M', invoice: 'I', token: 'T' }],
    ])
    expect(parse('L402 version=0 macaroon="M"')).toEqual([
      ['L402', { version: '0', macaroon: 'M' }, 'version'],
    ])
  })

  it('does not begin a challenge without a comma before it', () => {
    expect(parse('Basic realm=My L402 macaroon="M", B b=1')).toEqual([
      ['Basic', { realm: 'My' }, 'realm'],
      ['B', { b: '1' }],
    ])
  })

  it('ends the value at a quote that never closes, and keeps what stood before', () => {
    expect(parse('A a="1", B b="2", c="3, L402 macaroon=M', 'C')).toEqual([
      ['A', { a: '1' }],
      ['B', { b: '2', c: '3, L402 macaroon=M' }, 'c'],
      ['C', {}],
    ])
  })

  it('takes the first of repeated parameters and marks the name', () => {
    expect(parse('A a=1, A=2, b=3')).toEqual([['A', { a: '1', b: '3' }, 'a']])
  })

  it('lends no parameter to another challenge', () => {
    expect(parse('a=1, A b=2, Negotiate YII=, c=3, B, d=4')).toEqual([
      ['A', { b: '2' }],
      ['Negotiate', 'YII='],
      ['B', { d: '4' }],
    ])
    expect(parse('A a=1, @junk x="y", b=2, B c=3')).toEqual([
      ['A', { a: '1' }],
      ['B', { c: '3' }],
    ])
  })

  it('holds names that mean something to objects', () => {
    const [challenge] = parseAuthChallenges(['A __proto__=1, constructor="2", toString=3'])
    expect(challenge?.params.get('__proto__')).toBe('1')
    expect(challenge?.params.get('constructor')).toBe('2')
    expect(parseAuthChallenges(['A b=1'])[0]?.params.get('constructor')).toBeUndefined()
  })

  it('has bounds for text, challenges and parameters', () => {
    const long = 'x'.repeat(1 << 20)
    expect(parseAuthChallenges(['A', long])).toHaveLength(1)
    expect(parseAuthChallenges([long, 'A'])).toHaveLength(1)
    expect(parseAuthChallenges(['A, '.repeat(10_000)])).toHaveLength(256)
    const many = Array.from({ length: 1000 }, (_, i) => `p${i}=1`).join(', ')
    expect(parseAuthChallenges([`A ${many}, p0=2`])[0]?.params.size).toBe(64)
    expect(parseAuthChallenges([`A ${many}, p0=2`])[0]?.doubtful).toEqual(new Set(['p0']))
  })
})

describe('any text', () => {
  const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/)
  const value = fc.oneof(token, fc.string({ unit: 'binary-ascii' }))
  const challenge = fc.record({
    scheme: token,
    params: fc.uniqueArray(fc.tuple(token, value), {
      minLength: 1,
      maxLength: 5,
      selector: ([name]) => name.toLowerCase(),
    }),
  })

  function format({ scheme, params }: { scheme: string; params: [string, string][] }): string {
    const quote = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
    return `${scheme} ${params.map(([name, text]) => `${name}=${quote(text)}`).join(', ')}`
  }

  it('is read back as it was formatted, joined or separate', () => {
    fc.assert(
      fc.property(fc.array(challenge), (challenges) => {
        const lines = challenges.map(format)
        const expected = challenges.map(({ scheme, params }) => [
          scheme,
          Object.fromEntries(params.map(([name, text]) => [name.toLowerCase(), text])),
        ])
        expect(parse(...lines)).toEqual(expected)
        expect(parse(lines.join(', '))).toEqual(expected)
      }),
    )
  })

  const grammar = fc
    .array(fc.constantFrom('L402', 'a', 'b', ' ', '\t', ',', '=', '"', '\\', '@', 'é', '=='), {
      maxLength: 60,
    })
    .map((parts) => parts.join(''))

  it('never throws, and never marks a name that is not there', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(grammar, fc.string({ unit: 'binary' }))), (values) => {
        for (const { params, doubtful } of parseAuthChallenges(values)) {
          for (const name of doubtful) expect(params.has(name)).toBe(true)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('after a whole challenge leaves that challenge as it is', () => {
    fc.assert(
      fc.property(challenge, grammar, (first, rest) => {
        const line = format(first)
        expect(parse(line, rest).slice(0, 1)).toEqual(parse(line))
        expect(parse(`${line}, Next, ${rest}`).slice(0, 1)).toEqual(parse(line))
      }),
    )
  })

  it.each(Object.entries(hostileText))('is gone through in linear time: %s', (_, make) => {
    for (const length of [1000, 8000, 64_000]) {
      const text = make(length)
      expect(countReads(() => parseAuthChallenges([text]))).toBeLessThan(12 * length)
    }
  })
})
