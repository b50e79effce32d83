import { expect, it } from 'vitest'
import { startStub } from '../../../test/support/stub-node.ts'
import { phoenixdWallet } from '../phoenixd/index.ts'
import { sandboxWallet } from '../sandbox-wallet.ts'
import { identitiesOf } from './identity.ts'

const KEY = `02${'ab'.repeat(32)}`

it('names a node by its key first, and by where it is', async () => {
  expect(await identitiesOf('lnd at a.example', async () => KEY)()).toEqual([
    `own:${KEY}`,
    expect.stringMatching(/^at:\S+$/),
  ])
})

it('names it by where it is alone where it tells nothing, or nothing that can be a name', async () => {
  const at = [expect.stringMatching(/^at:/)]
  const tell = (told: unknown) => identitiesOf('a', async () => told)()
  for (const told of [undefined, '', 7, 'two words', 'x'.repeat(200)]) expect(await tell(told)).toEqual(at)
  expect(await identitiesOf('a', () => Promise.reject(new Error('down')))()).toEqual(at)
  expect(await identitiesOf('a')()).not.toEqual(await identitiesOf('b')())
})

it('is asked of the node that pays, whatever its address', async () => {
  const nodes = await Promise.all(
    [KEY, KEY, `03${'cd'.repeat(32)}`].map((nodeId) =>
      startStub(async ({ path }) => ({
        status: 200,
        json: path === '/getinfo' ? { nodeId, chain: 'regtest' } : { balanceSat: 5, feeCreditSat: 0 },
      })),
    ),
  )
  const ids = await Promise.all(
    nodes.map(async ({ url }) => (await phoenixdWallet({ url, password: 'x' })).identities?.()),
  )
  await Promise.all(nodes.map((node) => node.close()))
  const [first = [], moved = [], other = []] = ids
  expect(moved[0]).toBe(first[0])
  expect(moved[1]).not.toBe(first[1])
  expect(other.filter((one) => first.includes(one))).toEqual([])
})

it('has no secret in it, and tells two sandboxes apart', async () => {
  const ids = async (url: string) => (await sandboxWallet({ url }).identities?.()) ?? []
  const [here] = await ids('http://127.0.0.1:8403')
  expect([here]).toEqual(await ids('http://127.0.0.1:8403/'))
  expect([here]).not.toEqual(await ids('http://127.0.0.1:8404'))
})
