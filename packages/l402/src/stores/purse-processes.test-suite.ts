/** What every purse that processes share must hold to. */

import { type ChildProcess, spawn } from 'node:child_process'
import { afterAll, describe, expect, it } from 'vitest'
import type { PurseStore } from './purse.ts'

const children = new Set<ChildProcess>()

/** Runs a program against the purse in another process; `print` is its way to speak. */
function otherProcess(body: string, { file, name, module }: { file: string; name: string; module: URL }) {
  const hash = new URL('../core/hash.ts', import.meta.url).href
  const source = `
    import { ${name} } from ${JSON.stringify(module.href)}
    const open = (file) => ${name}({ file })
    import { sha256 } from ${JSON.stringify(hash)}
    const file = ${JSON.stringify(file)}
    const print = (text) => process.stdout.write(text + '\\n')
    ${body}`
  const child = spawn(
    process.execPath,
    [
      '--conditions=turnpike:source',
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      source,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  children.add(child)
  let output = ''
  const waiters = new Set<() => void>()
  child.stdout.on('data', (chunk) => {
    output += chunk
    for (const wake of waiters) wake()
  })
  const ended = new Promise<string>((resolve) => child.once('close', () => resolve(output)))
  const says = (line: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (output.includes(`${line}\n`)) resolve()
      }
      waiters.add(look)
      look()
      void ended.then(() => reject(new Error(`the other process ended without saying ${line}: ${output}`)))
    })
  return { child, ended, says }
}

/** Runs the contract. `name` is what the module exports, a function of `{ file }`. */
export function purseProcesses(
  name: string,
  { module, open, newFile }: { module: URL; open: (file: string) => PurseStore; newFile: () => string },
): void {
  describe(`${name} among processes`, () => {
    afterAll(() => {
      for (const child of children) child.kill('SIGKILL')
    })

    it('never lets several processes hold more than the limit', async () => {
      const file = newFile()
      const body = (first: number): string => `
        const purse = open(file)
        print('ready')
        await new Promise((resolve) => process.stdin.once('data', resolve))
        for (let n = ${first}; n < ${first} + 80; n++) {
          const paymentHash = sha256(new Uint8Array([n]))
          const intent = { paymentHash, origin: 'o', host: 'h', method: 'GET', url: 'u', bodyDigest: null,
            scope: 's', macaroon: 'm', invoice: 'i', amountMsat: 10n, maxFeeMsat: 1n, payee: '', createdAtMs: Date.now(),
            expiresAt: 0, wallet: '', task: '' }
          const answer = await purse.reserve(intent, { overall: { dayMsat: 1100n }, hosts: {} })
          print(answer.ok ? 'held' : 'over')
        }
        process.exit()`
      const others = [0, 80, 160].map((first) => otherProcess(body(first), { file, name, module }))
      await Promise.all(others.map((other) => other.says('ready')))
      for (const { child } of others) child.stdin.end('go')
      const outputs = await Promise.all(others.map((other) => other.ended))
      expect(outputs.join('').match(/held/g)).toHaveLength(100)
      expect(outputs.join('').match(/over/g)).toHaveLength(140)
    })

    it('keeps a lock from other processes until its holder lets go or dies (C5)', async () => {
      const file = newFile()
      const purse = open(file)
      const holder = otherProcess(
        `const purse = open(file)
         await purse.withLock('scope', () => { print('locked'); return new Promise(() => setInterval(() => {}, 1e6)) })`,
        { file, name, module },
      )
      await holder.says('locked')
      const tooLong = AbortSignal.timeout(60)
      await expect(purse.withLock('scope', async () => 'mine', tooLong)).rejects.toMatchObject({
        name: 'TimeoutError',
      })
      expect(await purse.withLock('other scope', async () => 'free')).toBe('free')
      const waiting = purse.withLock('scope', async () => 'mine')
      holder.child.kill('SIGKILL')
      expect(await waiting).toBe('mine')
      await purse.close()
    })
  })
}
