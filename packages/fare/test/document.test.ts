import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

/** The commands of a session and what they print. */
function sessionIn(document: string): { readonly typed: string; readonly printed: string }[] {
  const block = /```console\n([\s\S]*?)```/.exec(document)?.[1] ?? ''
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const [typed = '', ...printed] = text.trimEnd().split('\n')
      return { typed, printed: printed.join('\n') }
    })
}

/** What was printed, where `…` stands for anything. */
function likeness(text: string): RegExp {
  const parts = text.split('…').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('[\\s\\S]*?')}$`)
}

it('the session in docs/fare.md prints what it shows', async () => {
  const document = readFileSync(new URL('../../../docs/fare.md', import.meta.url), 'utf8')
  const session = sessionIn(document)
  expect(session.length).toBeGreaterThan(5)
  const buyer = newBuyer(gateway.admin)
  for (const { typed, printed } of session) {
    const [program, ...words] = typed.replaceAll('http://127.0.0.1:8402', gateway.url).split(' ')
    expect(program).toBe('fare')
    const { code, out, err } = await buyer.run(words)
    const said = [err.trimEnd(), out.trimEnd(), ...(code === 0 ? [] : [`(exit ${code})`])]
    const shown = said.filter((text) => text !== '').join('\n')
    expect([typed, shown.replaceAll(gateway.url, 'http://127.0.0.1:8402')]).toEqual([
      typed,
      expect.stringMatching(likeness(printed)),
    ])
  }
})
