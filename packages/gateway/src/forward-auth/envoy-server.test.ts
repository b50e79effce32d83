import { Client, credentials, type MethodDefinition, type ServiceError } from '@grpc/grpc-js'
import type { Gate } from '@turnpike/l402/server'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Books,
  cleanups,
  closeAll,
  gateOf,
  PAYMENT_HASH,
  passGate,
  REFUSED,
  TOKEN_ID,
  tableOf,
} from '../../test/proxy/harness.ts'
import { createDataPlane, type RequestRecord } from '../proxy/index.ts'
import { startEnvoyServer } from './envoy-server.ts'
import { authorizationService, type CheckResponse } from './ext-authz.ts'

afterEach(closeAll)

interface Http {
  readonly method?: string
  readonly path?: string
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly headerMap?: { readonly headers: readonly object[] }
  readonly size?: string
}

async function start(gate: Gate, { trusted = true, forwardCredential = false } = {}) {
  const records: RequestRecord[] = []
  const plane = createDataPlane({
    gate,
    routing: [tableOf('http://127.0.0.1:1', ['/free/*', '/paid/*'], { forwardCredential })],
    hooks: { finished: (record) => records.push(record) },
  })
  const server = await startEnvoyServer({
    listen: { host: '127.0.0.1', port: 0 },
    plane,
    trusted: (address) => trusted && address === '127.0.0.1',
    fault: () => {},
  })
  const client = new Client(server.address, credentials.createInsecure())
  cleanups.push(async () => {
    client.close()
    server.close()
    await plane.close()
  })
  const check = authorizationService()['Check'] as MethodDefinition<object, CheckResponse>
  const about = (http: Http, source = '192.0.2.1'): Promise<CheckResponse> => {
    const request = {
      attributes: {
        source: { address: { socketAddress: { address: source } } },
        request: {
          http: { method: 'GET', host: 'api.example.com', scheme: 'https', size: '-1', headers: {}, ...http },
        },
      },
    }
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: CheckResponse): void => {
        if (answer === undefined) reject(error)
        else resolve(answer)
      }
      client.makeUnaryRequest(check.path, check.requestSerialize, check.responseDeserialize, request, done)
    })
  }
  return { about, records }
}

const linesOf = (
  options: readonly { readonly header: { readonly key: string; readonly value: string } }[] | undefined,
) => (options ?? []).map(({ header: { key, value } }) => [key, value])

describe('Envoy', () => {
  it('lets a paid request on with who paid, and takes the credential away', async () => {
    const books: Books = { entries: [] }
    const { about, records } = await start(passGate(books))
    const answer = await about({
      path: '/paid/x?q=1',
      headers: {
        ':path': '/paid/x?q=1',
        authorization: `L402 AgEEbHNhdAJC:${'00'.repeat(32)}`,
        accept: '*/*',
      },
    })
    expect(answer.status?.code ?? 0).toBe(0)
    expect(linesOf(answer.okResponse?.headers)).toEqual([
      ['x-l402-token-id', TOKEN_ID],
      ['x-l402-service', 'demo'],
      ['x-l402-payment-hash', PAYMENT_HASH],
    ])
    expect(answer.okResponse?.headers.every(({ append }) => !append.value)).toBe(true)
    expect(answer.okResponse?.headersToRemove).toEqual(['dpop', 'authorization'])
    expect(linesOf(answer.okResponse?.responseHeadersToAdd).map(([key]) => key)).toEqual([
      'ratelimit-policy',
      'ratelimit',
    ])
    expect(books.entries).toEqual(['serve', 'commit'])
    await expect
      .poll(() => records[0])
      .toMatchObject({ outcome: 'admitted', paid: true, clientAddress: '192.0.2.1', complete: true })
  })

  it('leaves the credential where the route does, and every other Authorization', async () => {
    const authorization = `L402 AgEEbHNhdAJC:${'00'.repeat(32)}`
    const kept = await (await start(passGate(), { forwardCredential: true })).about({
      path: '/paid/x',
      headers: { authorization },
    })
    expect(kept.okResponse?.headersToRemove).toEqual([])
    const basic = await (await start(passGate())).about({
      path: '/free/x',
      headers: { authorization: 'Basic eDp5' },
    })
    expect(basic.okResponse?.headersToRemove).not.toContain('authorization')
  })

  it('takes away what a client says of who paid, where nobody did', async () => {
    const answer = await (await start(passGate())).about({
      path: '/free/x',
      headers: { 'x-l402-token-id': 'forged' },
    })
    expect(answer.okResponse?.headersToRemove).toEqual(
      expect.arrayContaining(['x-l402-token-id', 'x-l402-service', 'x-l402-payment-hash']),
    )
    expect(answer.okResponse?.headers).toEqual([])
  })

  it('hands on the whole refusal, every line of it', async () => {
    const two = { ...REFUSED, headers: [...REFUSED.headers, 'WWW-Authenticate', 'Payment id="x"'] }
    const answer = await (await start(gateOf(() => two))).about({ path: '/paid/x' })
    expect(answer.status.code).toBe(7)
    expect(answer.okResponse).toBeFalsy()
    expect(answer.deniedResponse?.status.code).toBe(402)
    expect(answer.deniedResponse?.body).toBe(REFUSED.body)
    expect(linesOf(answer.deniedResponse?.headers).filter(([key]) => key === 'www-authenticate')).toEqual([
      ['www-authenticate', REFUSED.headers[1]],
      ['www-authenticate', 'Payment id="x"'],
    ])
  })

  it('answers preflights, and refuses what has another spelling or no route', async () => {
    const { about } = await start(passGate())
    expect((await about({ method: 'OPTIONS', path: '/paid/x' })).deniedResponse?.status.code).toBe(204)
    for (const path of ['/free/../paid/x', '/free/%2e%2e/paid/x', '//free/x', '/free/%2fx'])
      expect((await about({ path })).deniedResponse?.status.code).toBe(400)
    expect((await about({ path: '/none' })).deniedResponse?.status.code).toBe(404)
  })

  it('may say every line by itself, in bytes', async () => {
    const seen: unknown[] = []
    const gate = gateOf(({ headers }) => {
      seen.push(headers)
      return REFUSED
    })
    const raw = (key: string, value: string): object => ({ key, rawValue: Buffer.from(value) })
    await (await start(gate)).about({
      path: '/paid/x',
      size: '5',
      headerMap: {
        headers: [
          raw(':path', '/'),
          raw('authorization', 'A'),
          raw('authorization', 'B'),
          raw('x-forwarded-for', '1.1.1.1'),
        ],
      },
    })
    expect(seen).toEqual([
      [
        'Host',
        'api.example.com',
        'authorization',
        'A',
        'authorization',
        'B',
        'Content-Length',
        '5',
        'X-Forwarded-For',
        '1.1.1.1',
      ],
    ])
  })

  it('is refused where it is not trusted, or says too little', async () => {
    await expect(
      (await start(passGate(), { trusted: false })).about({ path: '/free/x' }),
    ).rejects.toMatchObject({ code: 7 })
    const { about } = await start(passGate())
    await expect(about({ path: '' })).rejects.toMatchObject({ code: 3 })
    await expect(about({ path: '/free/x' }, 'pipe')).rejects.toMatchObject({ code: 3 })
    await expect(about({ path: '/free/x', host: '' })).rejects.toMatchObject({ code: 3 })
  })
})
