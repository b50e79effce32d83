import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { isL402Error, type L402ErrorCode } from '../core/errors.ts'
import type { CreatedInvoice } from './backend.ts'
import { describeLightning, expectPaid, requestFor } from './contract.test-suite.ts'
import { memoryLightning } from './memory.ts'
import { sandboxLightning } from './sandbox/index.ts'
import { type SandboxBalances, sandboxRoutes } from './sandbox-http.ts'
import { sandboxWallet } from './sandbox-wallet.ts'

const open = new Set<Server>()

async function serve(listener: RequestListener): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer(listener)
  open.add(server)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => stop(server) }
}

async function stop(server: Server): Promise<void> {
  open.delete(server)
  server.closeAllConnections()
  await new Promise((closed) => server.close(closed))
}

function mount(wallet: SandboxBalances): RequestListener {
  const routes = sandboxRoutes(wallet)
  return async (request, response) => {
    const answer = await routes(request.method ?? '', request.url ?? '', await text(request))
    response.writeHead(answer?.status ?? 404, { 'content-type': answer?.contentType ?? 'text/plain' })
    response.end(answer?.body)
  }
}

describeLightning('sandboxWallet', async ({ now }) => {
  const sandbox = await sandboxLightning({ now, env: {} })
  const { url, close } = await serve(mount(sandbox))
  return { invoices: sandbox, payments: sandboxWallet({ url }), close }
})

const preimage = new Uint8Array(32).fill(7)
const created: CreatedInvoice = await memoryLightning({
  randomBytes: (length) => preimage.slice(0, length),
}).createInvoice({ amountMsat: 1000n, memo: '', expirySeconds: 60 })
const good = '07'.repeat(32)

async function caught(work: Promise<unknown>, code: L402ErrorCode): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(isL402Error(error, code)).toBe(true)
  return String(error)
}

describe('sandboxWallet', () => {
  afterEach(async () => {
    for (const server of open) await stop(server)
  })

  it('says how to start a gateway where none listens, as nothing was sent', async () => {
    const { url, close } = await serve(() => {})
    await close()
    const wallet = sandboxWallet({ url })
    for (const call of [() => wallet.pay(requestFor(created)), () => wallet.balanceMsat()]) {
      const message = await caught(call(), 'lightning_unavailable')
      expect(message).toContain(url)
      expect(message).toContain('turnpike serve --sandbox')
    }
    expect(await wallet.lookupPayment(created.paymentHash)).toMatchObject({ status: 'unknown' })
  })

  it.each<[string, RequestListener]>([
    ['the connection breaks', (request) => void request.resume().on('end', () => request.socket.destroy())],
    [
      'the connection breaks within the answer',
      (request, response) => {
        response.writeHead(200, { 'content-length': '500' }).write('{"preimage":"07')
        request.resume().on('end', () => setImmediate(() => request.socket.destroy()))
      },
    ],
    ['no answer comes', () => {}],
  ])('does not know a payment’s fate when %s', async (_, listener) => {
    const wallet = sandboxWallet({ url: (await serve(listener)).url })
    const outcome = await wallet.pay(requestFor(created, { timeoutMs: 300 }))
    expect(outcome).toMatchObject({ status: 'unknown' })
  })

  it.each<[number, string]>([
    [200, ''],
    [200, 'thank you'],
    [200, '[]'],
    [200, 'null'],
    [200, '{}'],
    [200, `{"preimage":"${good}"}`],
    [200, `{"preimage":"${good}","feeMsat":-1}`],
    [200, `{"preimage":"${good}","feeMsat":0.5}`],
    [200, `{"preimage":"${good}","feeMsat":"0x0"}`],
    [200, `{"preimage":"${good}00","feeMsat":0}`],
    [200, `{"preimage":"${'08'.repeat(32)}","feeMsat":0}`],
    [200, `{"preimage":7,"feeMsat":0}`],
    [201, `{"preimage":"${good}","feeMsat":0}`],
    [302, ''],
    [400, '{"detail":"expected"}'],
    [422, '{"detail":"no"}'],
    [500, '{"status":"failed"}'],
    [503, ''],
    [504, '{"status":"failed"}'],
  ])('does not know a payment’s fate after HTTP %i with %s', async (status, body) => {
    const { url } = await serve((_, response) => {
      response.writeHead(status, { location: '/elsewhere' }).end(body)
    })
    const wallet = sandboxWallet({ url })
    expect(await wallet.pay(requestFor(created))).toMatchObject({ status: 'unknown' })
    expect(await wallet.lookupPayment(created.paymentHash)).toMatchObject({ status: 'unknown' })
  })

  it.each(['', '"preimage":"",', '"preimage":null,'])(
    'takes an answer with {%s} for paid without proof (C4)',
    async (preimage) => {
      const { url } = await serve((_, response) => {
        response.end(`{"status":"paid",${preimage}"feeMsat":"2"}`)
      })
      const wallet = sandboxWallet({ url })
      expect(await wallet.pay(requestFor(created))).toEqual({ status: 'paid_unproven', feeMsat: 2n })
      const lookedUp = await wallet.lookupPayment(created.paymentHash)
      expect(lookedUp).toEqual({ status: 'paid_unproven', feeMsat: 2n })
    },
  )

  it('knows that nothing was sent to a port that fetch never connects to', async () => {
    const wallet = sandboxWallet({ url: 'http://127.0.0.1:9' })
    await caught(wallet.pay(requestFor(created)), 'lightning_unavailable')
  })

  it.each(['0', '"0"'])('takes a fee of %s', async (fee) => {
    const { url } = await serve((_, response) => void response.end(`{"preimage":"${good}","feeMsat":${fee}}`))
    const outcome = await sandboxWallet({ url }).pay(requestFor(created))
    expect(outcome).toEqual({ status: 'paid', preimage, feeMsat: 0n })
  })

  it('believes that a payment was never sent only from a sandbox', async () => {
    const bare = await serve((_, response) => void response.writeHead(404).end('{"detail":"no such path"}'))
    const wallet = sandboxWallet({ url: bare.url })
    expect(await wallet.lookupPayment(created.paymentHash)).toMatchObject({ status: 'unknown' })
    expect(await caught(wallet.pay(requestFor(created)), 'lightning_unavailable')).toContain('--sandbox')
  })

  it('throws when the sandbox says that nothing was sent', async () => {
    const lightning = memoryLightning()
    lightning.offline = true
    const { url } = await serve(mount(lightning))
    const wallet = sandboxWallet({ url })
    const message = await caught(wallet.pay(requestFor(created)), 'lightning_unavailable')
    expect(message).toContain('offline')
    await caught(wallet.balanceMsat(), 'lightning_unavailable')
  })

  it('reports a balance that is none', async () => {
    const { url } = await serve((_, response) => void response.end('{"balanceMsat":"a lot"}'))
    await caught(sandboxWallet({ url }).balanceMsat(), 'lightning_invalid')
  })

  it('works below a path, with or without a slash at its end', async () => {
    const lightning = memoryLightning()
    const mounted = mount(lightning)
    const { url } = await serve((request, response) => {
      request.url = request.url?.replace('/below', '') ?? ''
      mounted(request, response)
    })
    const payable = await lightning.createInvoice({ amountMsat: 5n, memo: '', expirySeconds: 60 })
    const wallet = sandboxWallet({ url: `${url}/below/` })
    expectPaid(await wallet.pay(requestFor(payable)), payable.paymentHash)
    expect(await wallet.balanceMsat()).toBe(99_999_999_995n)
  })

  it.each([
    'http://example.com:9402',
    'http://10.0.0.1:9402',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
    'http://0.0.0.0:9402',
    'http://[::]:9402',
    'http://[fe80::1]',
    'http://user:secret@127.0.0.1',
    'ftp://127.0.0.1',
    'file:///tmp/socket',
  ])('refuses %s: no play money beyond this machine', (url) => {
    let error: unknown
    try {
      sandboxWallet({ url })
    } catch (thrown) {
      error = thrown
    }
    expect(isL402Error(error, 'sandbox_forbidden')).toBe(true)
    expect(String(error)).not.toContain('secret')
  })

  it.each(['', '127.0.0.1:9402', 'nonsense'])('refuses %j, which is no URL', (url) => {
    expect(() => sandboxWallet({ url })).toThrow()
  })

  it.each([
    'http://localhost:1',
    'http://127.1:1',
    'http://[::1]:1',
    'http://2130706433',
    'http://a.localhost',
  ])('takes %s', (url) => {
    expect(sandboxWallet({ url }).network).toBe('regtest')
  })
})
