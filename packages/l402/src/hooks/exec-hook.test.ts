import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import type { ProposedPurchase } from '../client/index.ts'
import { execHook } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'exec-hook-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(() => vi.unstubAllEnvs())

let scripts = 0
/** A program that keeps what it reads and answers as `script` says. */
function program(script: string): { file: string; input: () => unknown } {
  const file = join(folder, `${scripts++}.sh`)
  writeFileSync(file, `#!/bin/sh\ncat > '${file}.in'\n${script}\n`)
  chmodSync(file, 0o700)
  return { file, input: () => JSON.parse(readFileSync(`${file}.in`, 'utf8')) }
}

const PURCHASE = { host: 'api.example.com', amountMsat: 10_000n, maxFeeMsat: 1n, lastAmountMsat: 5n }
const ask = (file: string, timeoutMs = 5_000, signal = new AbortController().signal) =>
  execHook({ file, timeoutMs })(PURCHASE as ProposedPurchase, { signal })

describe('a program as a payment hook', () => {
  it('reads the decoded purchase and allows it', async () => {
    const { file, input } = program(`echo '{"allow":true}'`)
    expect(await ask(file)).toEqual({ allow: true })
    expect(input()).toEqual({
      type: 'payment',
      version: 1,
      host: 'api.example.com',
      amountMsat: '10000',
      maxFeeMsat: '1',
      lastAmountMsat: '5',
    })
  })

  it.each([
    ['says no', `echo '{"allow":false,"reason":"too late in the day"}'`, 'too late in the day'],
    ['says nothing', '', undefined],
    ['says something else', 'echo yes', undefined],
    ['fails', `echo '{"allow":true}'; exit 1`, 'it ended with exit code 1'],
  ])('denies when it %s', async (_, script, reason) => {
    expect(await ask(program(script).file)).toEqual({ allow: false, ...(reason && { reason }) })
  })

  it('denies when it is not there, or falls silent', async () => {
    expect(await ask(join(folder, 'nothing'))).toMatchObject({ allow: false })
    expect(await ask(program('sleep 60').file, 50)).toMatchObject({ allow: false })
    const over = new AbortController()
    const asked = ask(program('sleep 60').file, 50_000, over.signal)
    over.abort()
    expect(await asked).toMatchObject({ allow: false })
  })

  it('is given nothing of the environment that could be a secret', async () => {
    vi.stubEnv('FARE_WALLET_SECRET', 'hidden')
    const { file } = program(`[ -z "$FARE_WALLET_SECRET" ] && echo '{"allow":true}'`)
    expect(await ask(file)).toEqual({ allow: true })
  })

  it('is set up with an absolute path only', () => {
    expect(() => execHook({ file: 'may-pay' })).toThrow(TypeError)
    expect(() => execHook({ file: './may-pay' })).toThrow(TypeError)
  })
})
