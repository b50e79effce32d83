import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { ask, until } from './client.ts'
import { buy, challengeOf, cleanUp, configOf, folderWith, pay, serve, start } from './program.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

interface SpanData {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
}

const closers: (() => void)[] = []
afterEach(async () => {
  await cleanUp()
  await closeUpstreams()
  for (const close of closers.splice(0)) close()
})

/** What an OpenTelemetry collector takes over HTTP. */
async function startCollector(status = 200) {
  const spans: SpanData[] = []
  const seen: { url: string | undefined; type: string | undefined; key: string | undefined }[] = []
  let text = ''
  const server = createServer((req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk
    })
    req.on('end', () => {
      seen.push({ url: req.url, type: req.headers['content-type'], key: req.headers['x-key']?.toString() })
      text += body
      for (const resource of JSON.parse(body).resourceSpans)
        for (const scope of resource.scopeSpans) spans.push(...scope.spans)
      res.writeHead(status, { 'Content-Type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return { endpoint: `http://127.0.0.1:${port}`, spans, seen, text: () => text }
}

const CALLER = '0af7651916cd43dd8448eb211c80319c'
const TRACEPARENT = `00-${CALLER}-b7ad6b7169203331-01`

it('follows a purchase: the caller is the parent of the request, which is the parent of what it waits for', async () => {
  const upstream = await startUpstream()
  const collector = await startCollector()
  const folder = folderWith(
    configOf({
      upstream: upstream.origin,
      top: `tracing: { endpoint: "${collector.endpoint}", headersFile: collector.headers }`,
    }),
  )
  writeFileSync(join(folder, 'collector.headers'), '# token\nX-Key: c0llect\n')
  const gateway = await serve(folder)
  const caller = { Traceparent: TRACEPARENT, TraceState: 'a=1' }
  const { macaroon, invoice } = challengeOf(await ask(gateway.url, 'GET', '/paid/x', { headers: caller }))
  const preimage = await pay(gateway.admin, invoice)
  const headers = { ...caller, Authorization: `L402 ${macaroon}:${preimage}`, Baggage: 'b=2' }
  const served = await ask(gateway.url, 'GET', '/paid/x?q=qSecret', { headers })
  expect(served.status).toBe(200)
  await gateway.stop()

  const named = (name: string): SpanData[] => collector.spans.filter((span) => span.name === name)
  expect(collector.spans.every(({ traceId }) => traceId === CALLER)).toBe(true)
  const requests = named('GET demo')
  expect(requests.map(({ parentSpanId }) => parentSpanId)).toEqual(['b7ad6b7169203331', 'b7ad6b7169203331'])
  const decided = named('gate.decide')
  expect(new Set(decided.map(({ parentSpanId }) => parentSpanId))).toEqual(
    new Set(requests.map(({ spanId }) => spanId)),
  )
  for (const name of ['lightning.create_invoice', 'ledger.reserve']) {
    expect(named(name)).toHaveLength(1)
    expect(decided.map(({ spanId }) => spanId)).toContain(named(name)[0]?.parentSpanId)
  }
  // The upstream's parent is our span of it, and nothing else of the caller's context is lost.
  const [passedOn] = named('upstream')
  const lines = upstream.seen[0]?.headers ?? {}
  expect(lines['traceparent']).toBe(`00-${CALLER}-${passedOn?.spanId}-01`)
  expect([lines['tracestate'], lines['baggage']]).toEqual(['a=1', 'b=2'])
  expect(collector.seen[0]).toEqual({ url: '/v1/traces', type: 'application/json', key: 'c0llect' })
  for (const secret of ['qSecret', preimage, macaroon.slice(0, 40), 'lnbcrt', 'c0llect'])
    expect(collector.text()).not.toContain(secret)
})

it('the caller decides over the sampling, and the configured share over the rest', async () => {
  const upstream = await startUpstream()
  const collector = await startCollector()
  const top = `tracing: { endpoint: "${collector.endpoint}", sample: 0 }`
  const gateway = await start({ upstream: upstream.origin, top })
  await ask(gateway.url, 'GET', '/free/own')
  await ask(gateway.url, 'GET', '/free/off', { headers: { traceparent: TRACEPARENT.replace(/01$/, '00') } })
  await ask(gateway.url, 'GET', '/free/bad', { headers: { traceparent: 'no' } })
  await ask(gateway.url, 'GET', '/free/on', { headers: { traceparent: TRACEPARENT } })
  await gateway.stop()
  expect(collector.spans.map(({ name }) => name).sort()).toEqual(['GET demo', 'gate.decide', 'upstream'])
  for (const { headers } of upstream.seen)
    expect(headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
})

it('a collector that is down costs a warning and no request', async () => {
  const upstream = await startUpstream()
  const collector = await startCollector(400)
  const gateway = await start({
    upstream: upstream.origin,
    top: `tracing: { endpoint: "${collector.endpoint}" }`,
  })
  expect((await ask(gateway.url, 'GET', '/free/x')).status).toBe(200)
  await until(() => gateway.output().includes('traces are lost'), 'it is told')
  expect((await gateway.stop()).code).toBe(0)
})

it('without tracing the context passes through untouched', async () => {
  const upstream = await startUpstream()
  const gateway = await start({ upstream: upstream.origin })
  const { authorization } = await buy(gateway, '/pass/x')
  const headers = { traceparent: TRACEPARENT, tracestate: 'a=1', Authorization: authorization }
  await ask(gateway.url, 'GET', '/pass/x', { headers })
  const lines = upstream.seen[0]?.headers ?? {}
  expect([lines['traceparent'], lines['tracestate']]).toEqual([TRACEPARENT, 'a=1'])
})
