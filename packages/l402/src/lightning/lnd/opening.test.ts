/** What lnd's REST answers to wrong settings, as the real one does, and what is said of it. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type StubAnswer, type StubNode, startStub } from '../../../test/support/stub-node.ts'
import { lnd, lndWallet } from './index.ts'

const MACAROON = '0201036c6e64'
const of = (kind: string): string => `${MACAROON}${Buffer.from(kind).toString('hex')}`
const DENIED: StubAnswer = { status: 500, json: { code: 2, message: 'permission denied' } }
const ELSEWHERE = "cannot retrieve macaroon: cannot get macaroon: root key with id 0 doesn't exist"

let stub: StubNode
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'turnpike-lnd-'))
  stub = await startStub(async ({ path, headers }) => {
    const given = String(headers['grpc-metadata-macaroon'])
    if (!path.startsWith('/v')) return { status: 404, json: { code: 5, message: 'Not Found' } }
    if (given === of('other')) return { status: 500, json: { code: 2, message: ELSEWHERE } }
    if (path === '/v1/getinfo')
      return given === of('invoice') ? DENIED : { status: 200, json: { chains: [{ network: 'regtest' }] } }
    if (path === '/v1/invoices') {
      const made = await stub.lightning.createInvoice({ amountMsat: 1n, memo: '', expirySeconds: 60 })
      return { status: 200, json: { invoices: [{ payment_request: made.invoice }] } }
    }
    if (path === '/v2/invoices/cancel') return { status: 404, json: { message: 'unable to locate invoice' } }
    if (path === '/v1/balance/channels')
      return given === of('invoice')
        ? DENIED
        : { status: 200, json: { remote_balance: { sat: '7', msat: '7500' } } }
    return given === of('admin') ? { status: 400, json: { message: 'invalid payment' } } : DENIED
  })
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await stub.close()
})

function fileWith(name: string, content: string | Buffer): string {
  const file = join(folder, name)
  writeFileSync(file, content)
  return file
}

describe('an lnd that is opened', () => {
  it.each([
    ['as lnd writes it', (hex: string) => Buffer.from(hex, 'hex')],
    ['in hex', (hex: string) => `${hex}\n`],
  ])('takes a macaroon file %s', async (name, write) => {
    const macaroonFile = fileWith(name, write(of('invoice')))
    expect((await lnd({ url: stub.url, macaroonFile })).network).toBe('regtest')
  })

  it.each(['garbage', '<html>', '0a0b', 'zz'])('takes no macaroon file with %j', async (content) => {
    const macaroonFile = fileWith('wrong', content)
    const said = 'lnd: macaroonFile: not a macaroon, expected a file that lnd or'
    await expect(lnd({ url: stub.url, macaroonFile })).rejects.toThrow(said)
    await expect(lndWallet({ url: stub.url, macaroonFile })).rejects.toBeInstanceOf(TypeError)
  })

  it('tells a macaroon of another node from one that lacks a permission', async () => {
    const refused =
      /refused the macaroon: it is damaged or of another node; bake one with: lncli bakemacaroon/
    await expect(lnd({ url: stub.url, macaroon: of('other') })).rejects.toThrow(refused)
    await expect(lndWallet({ url: stub.url, macaroon: of('other') })).rejects.toThrow(refused)
    await expect(lndWallet({ url: stub.url, macaroon: of('invoice') })).rejects.toThrow(
      'refused the macaroon: it lacks /lnrpc.Lightning/GetInfo; bake one with:',
    )
  })

  it('warns of a macaroon that can also pay, and of no other', async () => {
    expect((await lnd({ url: stub.url, macaroon: of('admin') })).warnings).toEqual([
      `lnd at ${new URL(stub.url).host}: its macaroon can also pay; lnd's invoice.macaroon is enough to sell, and whoever steals it can spend nothing`,
    ])
    expect((await lnd({ url: stub.url, macaroon: of('invoice') })).warnings).toEqual([])
  })

  it('says what it can receive where the macaroon may ask', async () => {
    expect(await (await lnd({ url: stub.url, macaroon: of('admin') })).receivableMsat()).toBe(7_500n)
    expect(await (await lnd({ url: stub.url, macaroon: of('invoice') })).receivableMsat()).toBeNull()
  })

  it('says what is expected where no REST listener is', async () => {
    const rest = 'expected the address of its REST listener (restlisten), by default on port 8080'
    const macaroon = of('invoice')
    await expect(lnd({ url: `${stub.url}/lnd`, macaroon })).rejects.toThrow(`HTTP 404 at its path; ${rest}`)
    // A port that hangs up on HTTP, as those for peers and for gRPC do.
    const peers = createServer((socket) => socket.once('data', () => socket.destroy()))
    await new Promise<void>((resolve) => peers.listen(0, '127.0.0.1', resolve))
    const address = peers.address()
    const port = typeof address === 'object' ? address?.port : 0
    try {
      const url = `http://127.0.0.1:${port}`
      await expect(lnd({ url, macaroon })).rejects.toThrow(`the connection was lost; ${rest}`)
    } finally {
      peers.close()
    }
  })
})
