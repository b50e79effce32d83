import type { Client } from '@modelcontextprotocol/client'
import { McpServer } from '@modelcontextprotocol/server'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { forecast, KEYS, mcpBench, refusalOf, textOf } from '../../test/support/mcp-bench.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { type PaidToolOptions, paidTool } from './paid-tool.ts'
import { type PayingToolsOptions, payingTools, type ToolCall } from './paying-tools.ts'
import {
  L402_META,
  PAYMENT_CREDENTIAL_META,
  PAYMENT_RECEIPT_META,
  PAYMENT_REQUIRED_META,
  type ToolResult,
} from './wire.ts'

const bench = mcpBench()
const { settings, spent } = bench

/** An official client of a server that sells forecasts; `spoil` is what the server makes of its paid tool's results. */
async function connect(
  spoil: (result: ToolResult) => ToolResult = (result) => result,
  { isError = () => false, ...options }: Partial<PaidToolOptions> & { isError?: () => boolean } = {},
): Promise<Client> {
  const toll = paidTool({
    lightning: bench.lightning,
    store: memoryStore(),
    keys: KEYS,
    services: { weather: {} },
    ...options,
  })
  const paid = toll({ name: 'forecast', price: '10 sat' }, ({ city }: { city: string }) => ({
    content: [{ type: 'text', text: `sunny in ${city}` }],
    isError: isError(),
  }))
  const server = new McpServer({ name: 'weather', version: '1.0.0' })
  const inputSchema = z.object({ city: z.string() })
  server.registerTool(
    'forecast',
    { inputSchema },
    async (args, context) => spoil(await paid(args, context)) as never,
  )
  return await bench.inMemory(server)
}

interface Challenge {
  [member: string]: unknown
  request: { amount: string; methodDetails: Record<string, string> }
}

/** A server that offers the Payment scheme alone, in the words of `change`. */
const paymentAlone =
  (change: (challenge: Challenge) => unknown = (challenge) => challenge) =>
  ({ _meta = {}, ...result }: ToolResult): ToolResult => {
    const { [L402_META]: _, [PAYMENT_REQUIRED_META]: required, ...left } = _meta
    if (required === undefined) return { ...result, _meta: left }
    const { challenges, ...more } = required as { challenges: Challenge[] }
    return { ...result, _meta: { [PAYMENT_REQUIRED_META]: { ...more, challenges: challenges.map(change) } } }
  }

describe('a tool that asks for the Payment scheme', () => {
  it('is bought by a charge, with the receipt beside and no secret in the result', async () => {
    const client = await connect(paymentAlone())
    const paying = payingTools(client, settings())
    const result = await paying.callTool(forecast)
    expect(textOf(result)).toBe('sunny in Bern')
    const [{ paymentHash = '' } = {}] = await bench.purse.payments(1)
    expect(paying.paymentOf(result)).toMatchObject({
      purchases: [{ amountMsat: 10_000n, origin: 'https://weather.mcp.invalid' }],
      served: true,
      receipt: { status: 'success', reference: Buffer.from(paymentHash).toString('hex') },
    })
    expect(result._meta ?? {}).not.toHaveProperty([PAYMENT_RECEIPT_META])
    await paying.callTool(forecast)
    expect(await spent()).toBe(20_000n)
  })

  it('is bought by L402 where it offers both, on the one invoice', async () => {
    const sent: ToolCall[] = []
    const invoices = new Set<unknown>()
    const client = await connect(({ _meta, ...result }) => {
      const l402 = (_meta?.[L402_META] as { challenges?: { invoice: string }[] } | undefined)?.challenges
      const charge = _meta?.[PAYMENT_REQUIRED_META] as { challenges: Challenge[] } | undefined
      for (const one of l402 ?? []) invoices.add(one.invoice)
      for (const one of charge?.challenges ?? []) invoices.add(one.request.methodDetails['invoice'])
      return { ...result, _meta }
    })
    const spy = {
      callTool(call: ToolCall) {
        sent.push(call)
        return client.callTool(call)
      },
    }
    await payingTools(spy, settings()).callTool(forecast)
    expect(invoices.size).toBe(1)
    expect(sent.map(({ _meta }) => Object.keys(_meta ?? {}))).toEqual([[], [L402_META]])
  })

  it('is held to every limit', async () => {
    const client = await connect(paymentAlone())
    const capped = payingTools(client, settings({ maxMsat: 15_000n }))
    await capped.callTool(forecast)
    expect(await refusalOf(capped.callTool(forecast))).toEqual(['payment_refused', 'over_max'])
    await bench.purse.setBudget({ overall: {}, hosts: { 'weather.mcp.invalid': { requestMsat: 5_000n } } })
    const refused = async (options: Partial<PayingToolsOptions>) =>
      await refusalOf(payingTools(client, settings(options)).callTool(forecast))
    expect(await refused({})).toEqual(['payment_refused', 'over_budget'])
    expect(await refused({ noPay: true })).toEqual(['payment_refused', 'no_pay'])
    expect(await refused({ allowHost: () => false })).toEqual(['payment_refused', 'host_not_allowed'])
    // The preimage would be everybody's.
    expect(await refused({ server: 'http://203.0.113.7/mcp' })).toEqual(['payment_refused', 'no_challenge'])
    expect(await spent()).toBe(10_000n)
  })

  it('is paid for once where it failed at no charge, and where it asks for ever', async () => {
    let fails = true
    const keepMeta = ({ _meta = {}, ...result }: ToolResult): ToolResult => {
      const { [L402_META]: l402, ...rest } = _meta
      const kept = _meta[PAYMENT_REQUIRED_META] === undefined ? { [L402_META]: l402 } : {}
      return { ...result, _meta: { ...rest, ...kept } }
    }
    const paying = payingTools(await connect(keepMeta, { isError: () => fails }), settings())
    expect(paying.paymentOf(await paying.callTool(forecast))).toMatchObject({ served: false })
    fails = false
    expect(paying.paymentOf(await paying.callTool(forecast))).toMatchObject({ purchases: [], served: true })
    expect(await spent()).toBe(10_000n)
    const honest = await connect(paymentAlone())
    const forgetful = {
      callTool: ({ _meta: _, ...call }: ToolCall) => honest.callTool(call),
    }
    const again = payingTools(forgetful, settings({ server: 'forgetful' }))
    expect(await refusalOf(again.callTool(forecast))).toEqual(['paid_not_served', null])
    expect(await refusalOf(again.callTool(forecast))).toEqual(['paid_not_served', null])
    expect(await spent()).toBe(20_000n)
  })

  it.each([
    ['by an error', -32_042, 'sunny in Bern'],
    ['by the error of a credential not accepted', -32_043, 'sunny in Bern'],
    ['by an error of another number', -32_000, undefined],
  ])('%s is paid where the number says so', async (_what, code, text) => {
    const client = await connect(paymentAlone())
    const byError = {
      async callTool(call: ToolCall) {
        const result = await client.callTool(call)
        const data = result._meta?.[PAYMENT_REQUIRED_META]
        if (data === undefined) return result
        throw Object.assign(new Error('payment required'), { code, data })
      },
    }
    const call = payingTools(byError, settings()).callTool(forecast)
    if (text === undefined) await expect(call).rejects.toThrow('payment required')
    else expect(textOf(await call)).toBe(text)
  })

  it('sends back what it got, but for a description that no header line holds', async () => {
    const got: Record<string, unknown>[] = []
    const client = await connect(
      paymentAlone((challenge) => ({ ...challenge, description: 'Wetter für Zürich ☀', unknown: 7 })),
    )
    const spy = {
      callTool(call: ToolCall) {
        const credential = call._meta?.[PAYMENT_CREDENTIAL_META] as { challenge: Challenge } | undefined
        if (credential) got.push(credential.challenge)
        return client.callTool(call)
      },
    }
    expect(textOf(await payingTools(spy, settings()).callTool(forecast))).toBe('sunny in Bern')
    expect(Object.keys(got[0] ?? {}).sort()).toEqual(
      ['expires', 'id', 'intent', 'method', 'opaque', 'realm', 'request'].sort(),
    )
    expect(got[0]?.['request']).toMatchObject({ amount: '10', currency: 'sat' })
  })

  const dearer = ({ request, ...challenge }: Challenge, change: object) => ({
    ...challenge,
    request: { ...request, ...change },
  })
  it.each<[string, (challenge: Challenge) => unknown, string]>([
    ['names another amount', (one) => dearer(one, { amount: '1' }), 'amount_mismatch'],
    ['names another currency', (one) => dearer(one, { currency: 'usd' }), 'malformed'],
    [
      'names another payment',
      (one) =>
        dearer(one, {
          methodDetails: { ...one.request.methodDetails, paymentHash: '0'.repeat(64) },
        }),
      'hash_mismatch',
    ],
    ['has no invoice', (one) => dearer(one, { methodDetails: {} }), 'malformed'],
    ['has a request of text', (one) => ({ ...one, request: 'AAAA' }), 'malformed'],
    ['has a lone surrogate', (one) => dearer(one, { externalId: '\ud800' }), 'malformed'],
    ['breaks lines', (one) => ({ ...one, realm: 'a\r\nb' }), 'malformed'],
    ['has a realm no header line holds', (one) => ({ ...one, realm: 'ü' }), 'malformed'],
    ['is longer than anything', (one) => ({ ...one, opaque: 'A'.repeat(20_000) }), 'malformed'],
    ['is no table', () => null, 'malformed'],
    ['is empty', () => ({}), 'malformed'],
    ['is of another method', (one) => ({ ...one, method: 'tempo", method="lightning' }), 'no_challenge'],
  ])('is not paid where the charge %s', async (_what, change, reason) => {
    const paying = payingTools(await connect(paymentAlone(change)), settings())
    expect(await refusalOf(paying.callTool(forecast))).toEqual(['payment_refused', reason])
    expect(await spent()).toBe(0n)
  })

  it('is not paid where the charge is none or something else', async () => {
    for (const required of [{}, { challenges: 'none' }, { challenges: [] }]) {
      const client = { callTool: async () => ({ content: [], _meta: { [PAYMENT_REQUIRED_META]: required } }) }
      expect(await refusalOf(payingTools(client, settings()).callTool(forecast))).toEqual([
        'payment_refused',
        'malformed',
      ])
    }
  })
})
