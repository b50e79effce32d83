import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../../test/test-io.ts'
import { CommandError } from '../cli/exit.ts'
import { loadKeys, makeKey, parseKeys, readKeyFile } from './key-file.ts'

const secret = (fill: number): string => Buffer.alloc(32, fill).toString('base64')
const line = (id: string, created: string, fill: number, rest = ''): string =>
  `${id} ${created} ${secret(fill)}${rest}\n`

function load(text: string, env: Record<string, string> = {}): ReturnType<typeof loadKeys> {
  const file = join(temporaryFolder(), 'turnpike.key')
  writeFileSync(file, text, { mode: 0o600 })
  return loadKeys({ files: [file], env: Object.keys(env) }, env)
}

describe('a key file', () => {
  it('gives the newest key last, whatever the order of lines, and knows retired ones', () => {
    const keys = load(
      `# a comment\n\n${line('new', '2026-03-01T00:00:00Z', 3)}${line('old', '2026-01-01T00:00:00Z', 1)}${line('gone', '2026-02-01T00:00:00Z', 2, ' retired')}`,
    )
    expect(keys.map(({ id, active }) => [id, active])).toEqual([
      ['old', true],
      ['gone', false],
      ['new', true],
    ])
    expect(keys[2]?.masterKey).toEqual(new Uint8Array(32).fill(3))
  })

  it('reads back what it makes', () => {
    const { key, line: text } = makeKey(() => Date.UTC(2026, 0, 31, 12, 0, 0, 999))
    expect(parseKeys('f', text)).toEqual([key])
    expect(text).toMatch(/^[0-9a-f]{12} 2026-01-31T12:00:00Z [A-Za-z0-9+/]{43}=\n$/)
  })

  it('takes a bare key, or lines of keys, from the environment', () => {
    const keys = load(line('file', '2026-01-01T00:00:00Z', 1), {
      KEY: ` ${secret(2)}\n`,
      KEYS: line('x', '2026-02-01T00:00:00Z', 3),
    })
    expect(keys.map((key) => key.id)).toEqual(['env-KEY', 'file', 'x'])
  })

  it.each([
    ['an id with a dot', line('a.b', '2026-01-01T00:00:00Z', 1), /:1:1: not the id of a key/],
    ['a day without a time', line('a', '2026-01-01', 1), /:1:1: not a time/],
    ['a month too many', line('a', '2026-13-01T00:00:00Z', 1), /:1:1: not a time/],
    ['a short key', 'a 2026-01-01T00:00:00Z AAAA\n', /:1:1: not a key/],
    ['url-safe base64', `a 2026-01-01T00:00:00Z ${'_'.repeat(43)}=\n`, /:1:1: not a key/],
    ['something after it', line('a', '2026-01-01T00:00:00Z', 1, ' retierd'), /:1:1: more than a key/],
    ['two spaces', line('a ', '2026-01-01T00:00:00Z', 1), /:1:1: not a time/],
    ['a second line that is wrong', `${line('a', '2026-01-01T00:00:00Z', 1)}b\n`, /:2:1: not a time/],
    ['one id twice', line('a', '2026-01-01T00:00:00Z', 1).repeat(2), /"a" stands there twice/],
    ['retired keys only', line('a', '2026-01-01T00:00:00Z', 1, ' retired'), /no active key/],
    ['nothing', '', /no active key/],
    ['too much', '#'.repeat(70_000), /small plain file/],
  ])('with %s is refused', (_, text, message) => {
    expect(() => load(text)).toThrow(message)
  })

  it('that is a folder, or not there, is refused', () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'd'), { mode: 0o700 })
    expect(() => readKeyFile(join(folder, 'd'))).toThrow(/not a key file/)
    expect(() => readKeyFile(join(folder, 'none'))).toThrow(/no such key file\. Run "turnpike keys new"/)
  })

  it('never shows a key in an error, however a line is broken', () => {
    const secrets = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('base64'))
    const breakage = fc.constantFrom<(key: string) => string>(
      (key) => key,
      (key) => `a ${key}`,
      (key) => `${key} 2026-01-01T00:00:00Z ${key}`,
      (key) => `a 2026-01-01T00:00:00Z ${key} ${key}`,
      (key) => `a 2026-01-01T00:00:00Z ${key.slice(1)}`,
      (key) => `a 2026-01-01T00:00:00Z ${key}\t`,
    )
    fc.assert(
      fc.property(secrets, breakage, (key, spoil) => {
        try {
          parseKeys('turnpike.key', spoil(key))
          expect.unreachable()
        } catch (error) {
          expect(error).toBeInstanceOf(CommandError)
          expect(String(error)).not.toContain(key.slice(1, 12))
        }
        expect(() => loadKeys({ files: [], env: ['K'] }, { K: `${spoil(key)} x` })).toThrow(
          expect.objectContaining({ message: expect.not.stringContaining(key.slice(2, 12)) }),
        )
      }),
    )
  })
})
