import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ProposedPurchase } from './proposal.ts'
import { webhookApproval, webhookHook } from './webhook.ts'

const PURCHASE: ProposedPurchase = {
  method: 'GET',
  origin: 'https://api.example.com',
  host: 'api.example.com',
  path: '/forecast',
  amountMsat: 10_000n,
  maxFeeMsat: 1_000n,
  payee: '02'.repeat(33),
  network: 'mainnet',
  description: 'one forecast',
  paymentHash: 'ab'.repeat(32),
  expiresAt: 1_800_000_000,
  caveats: ['services=weather:0'],
  task: 'nightly',
  asks: 'threshold',
  lastAmountMsat: null,
}

let server: Server
let url = ''
let received: { headers: IncomingMessage['headers']; body: string }[]
let answer: (response: ServerResponse) => unknown

beforeEach(async () => {
  received = []
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      received.push({ headers: request.headers, body })
      answer(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/fare`
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const signal = new AbortController().signal
const json = (value: unknown, status = 200) => {
  answer = (response) => response.writeHead(status).end(JSON.stringify(value))
}

describe('approval by a webhook', () => {
  it('shows the decoded purchase, with a token and a signature over time and body', async () => {
    json({ decision: 'approved' })
    const approve = webhookApproval({ url, token: 't0ken', secret: 'shared', now: () => 1_750_000_000_999 })
    expect(await approve(PURCHASE, { signal })).toBe('approved')
    const [{ headers, body }] = received as [(typeof received)[number]]
    expect(JSON.parse(body)).toEqual({
      type: 'approval',
      version: 1,
      ...PURCHASE,
      amountMsat: '10000',
      maxFeeMsat: '1000',
    })
    expect(headers.authorization).toBe('Bearer t0ken')
    const mac = createHmac('sha256', 'shared').update(`1750000000.${body}`).digest('hex')
    expect(headers['x-fare-signature']).toBe(`t=1750000000,v1=${mac}`)
  })

  it.each([
    ['a denial', { decision: 'denied' }, 200],
    ['an approval with another status', { decision: 'approved' }, 201],
    ['an error', { decision: 'approved' }, 500],
    ['another word', { decision: 'ok' }, 200],
    ['no table', 'approved', 200],
    ['null', null, 200],
  ])('takes %s for no approval', async (_, value, status) => {
    json(value, status)
    expect(await webhookApproval({ url })(PURCHASE, { signal })).toBe('denied')
  })

  it('follows no redirect, and reads no endless answer', async () => {
    const other = url
    answer = (response) => response.writeHead(307, { location: `${other}/elsewhere` }).end()
    await expect(webhookApproval({ url })(PURCHASE, { signal })).rejects.toThrow()
    expect(received).toHaveLength(1)
    answer = (response) => response.end(`{"decision":"approved","more":"${'x'.repeat(20_000)}"}`)
    expect(await webhookApproval({ url })(PURCHASE, { signal })).toBe('denied')
    answer = (response) => response.end('approved')
    await expect(webhookApproval({ url })(PURCHASE, { signal })).rejects.toThrow()
  })

  it.each([
    'http://approvals.example.com/',
    'https://user:pass@example.com/',
    'approvals',
    'ftp://example.com/',
  ])('is not set up with %s', (bad) => {
    expect(() => webhookApproval({ url: bad })).toThrow(TypeError)
  })
})

describe('a hook over HTTP', () => {
  it('allows by an explicit yes only', async () => {
    const hook = webhookHook({ url })
    json({ allow: true })
    expect(await hook(PURCHASE, { signal })).toEqual({ allow: true })
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ type: 'payment', host: 'api.example.com' })
    json({ allow: false, reason: 'not today' })
    expect(await hook(PURCHASE, { signal })).toEqual({ allow: false, reason: 'not today' })
    for (const [value, status] of [
      [{ allow: 'true' }, 200],
      [{}, 200],
      [{ allow: true }, 403],
    ] as const) {
      json(value, status)
      expect(await hook(PURCHASE, { signal })).toEqual({ allow: false })
    }
  })
})
