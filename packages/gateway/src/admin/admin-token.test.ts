import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../../test/test-io.ts'
import { adminTokens, identify, ownToken } from './admin-token.ts'

const [A, B] = ['a'.repeat(32), 'b'.repeat(40)]

function tokensIn(text: string): ReturnType<typeof adminTokens> {
  const file = join(temporaryFolder(), 'admin.token')
  writeFileSync(file, text, { mode: 0o600 })
  return adminTokens(file)
}

describe('the token file of the admin API', () => {
  it('has one token that may do everything, or a line for each', () => {
    expect(tokensIn(`${A}\n`)).toEqual([{ name: 'admin', scope: 'write', token: A }])
    const tokens = tokensIn(`# who\nviewer read ${A}\n\nops write ${B}\n`) ?? []
    expect(tokens.map(({ name, scope }) => [name, scope])).toEqual([
      ['viewer', 'read'],
      ['ops', 'write'],
    ])
    expect(identify(tokens, [`Bearer ${A}`])).toEqual({ name: 'viewer', scope: 'read' })
    expect(identify(tokens, [`bearer ${B}`])).toEqual({ name: 'ops', scope: 'write' })
    for (const lines of [[], [`Bearer ${A}`, `Bearer ${A}`], [`Basic ${A}`], [`Bearer ${A}x`], ['']])
      expect(identify(tokens, lines)).toBeUndefined()
    expect(ownToken(tokens, 'write')?.name).toBe('ops')
  })

  it.each([
    ['', 'at least 32 visible characters'],
    ['short', 'at least 32 visible characters'],
    [`viewer look ${A}`, 'entry 1 is not one'],
    [`viewer read ${A}\nops write short`, 'entry 2 is not one'],
    [`one read ${A}\none write ${B}`, 'a name stands there twice'],
    [`one read ${A}\ntwo write ${A}`, 'a token stands there twice'],
  ])('refuses %j without showing it', (text, why) => {
    expect(() => tokensIn(text)).toThrow(why)
    expect(() => tokensIn(text)).not.toThrow(A)
  })
})
