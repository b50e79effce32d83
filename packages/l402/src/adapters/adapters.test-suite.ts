import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { narrowed } from '../../test/gate-bench.ts'
import { hostileTargets } from '../../test/hostile-targets.ts'
import { answerOf, type Bench, cookiesOf, identifierOf, type Mount, openBench } from '../../test/matrix.ts'
import { sessionAt } from '../../test/matrix-sessions.ts'
import { diagnose } from '../conformance/index.ts'
import { decodeInvoice } from '../core/bolt11/index.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { itKnowsItsOwnOrigin } from './origins.test-suite.ts'
import { itChargesRequestBytes } from './request-bytes.test-suite.ts'
import { itStreamsOnSessions } from './session-streams.test-suite.ts'

/** What a framework does otherwise. */
export interface Differences {
  /** The status of a handler that throws. */
  readonly thrown?: number
  /** Whether the bytes of a body that states no length can be counted. */
  readonly countsBodies?: boolean
}

const bearer = ['Authorization', 'Bearer other']

/** The one matrix that every adapter goes through. */
export function describeAdapter(
  name: string,
  mount: Mount,
  { thrown = 500, countsBodies = true }: Differences = {},
): void {
  describe(`the adapter for ${name}`, () => {
    let self: Bench
    beforeAll(async () => {
      self = await openBench(mount)
    })
    afterAll(() => self.close())
    beforeEach(() => {
      self.fails = false
      self.storeDown = null
      self.pieces.length = 0
    })

    it('asks for payment, and the handler does not run (S1–S7)', async () => {
      const before = self.runs
      const { status, headers, body } = await self.send('GET', '/forecast/lisbon')
      expect(status).toBe(402)
      expect(headers['www-authenticate']).toMatch(
        /^L402 macaroon="[^"]+", invoice="[^"]+", version="0", token="[^"]+"$/,
      )
      expect(headers['cache-control']).toBe('no-store')
      expect(headers['content-type']).toBe('application/problem+json')
      expect(JSON.parse(body)).toMatchObject({ status: 402, code: 'missing', priceMsat: 10_000 })
      const [challenge] = findL402Challenges([headers['www-authenticate'] ?? ''])
      const { paymentHash } = identifierOf(challenge?.macaroon ?? '')
      expect(decodeInvoice(challenge?.invoice ?? '')).toMatchObject({ amountMsat: 10_000n, paymentHash })
      expect(self.runs).toBe(before)
    })

    it('serves what was paid for, shows the handler who paid, counts, and sells again under the same token id', async () => {
      const credential = await self.buy('GET', '/forecast/lisbon')
      const { tokenId } = identifierOf(/^L402 ([^:]+)/.exec(credential)?.[1] ?? '')
      const first = await self.send('GET', '/forecast/lisbon', { headers: ['Authorization', credential] })
      expect(first).toMatchObject({ status: 200, body: 'sunny for weather' })
      expect(first.headers).toMatchObject({
        'x-token-id': Buffer.from(tokenId).toString('hex'),
        'x-left': '1 null',
        ratelimit: '"calls";r=1',
        'ratelimit-policy': '"calls";q=2',
      })
      expect(first.headers['access-control-expose-headers']?.toLowerCase()).toContain('ratelimit')
      const second = await self.send('GET', '/forecast/porto', { headers: ['Authorization', credential] })
      expect(second).toMatchObject({ status: 200, headers: { ratelimit: '"calls";r=0' } })
      const third = await self.send('GET', '/forecast/porto', { headers: ['Authorization', credential] })
      expect(third.status).toBe(402)
      expect(JSON.parse(third.body)).toMatchObject({ code: 'exhausted' })
      const [topUp] = findL402Challenges([third.headers['www-authenticate'] ?? ''])
      expect(identifierOf(topUp?.macaroon ?? '').tokenId).toEqual(tokenId)
    })

    it('takes every spelling of a credential, also in the second of two Authorization lines (V1–V3)', async () => {
      const credential = await self.buy('GET', '/pass')
      const lsat = credential.replace('L402', 'LSAT')
      for (const headers of [
        ['Authorization', credential],
        ['authorization', lsat],
        ['Authorization', lsat, 'Authorization', credential],
        [...bearer, 'Authorization', credential],
        ['Authorization', credential, ...bearer],
      ])
        expect((await self.send('GET', '/pass', { headers })).status).toBe(200)
      expect((await self.send('GET', '/pass', { headers: bearer })).status).toBe(402)
    })

    it('does not open a route with what was sold for another, nor with what is forged', async () => {
      const credential = await self.buy('GET', '/pass')
      const before = self.runs
      expect((await self.send('GET', '/forecast/x', { headers: ['Authorization', credential] })).status).toBe(
        402,
      )
      const forged = `${credential.slice(0, -2)}${credential.endsWith('00') ? '11' : '00'}`
      expect((await self.send('GET', '/pass', { headers: ['Authorization', forged] })).status).toBe(402)
      expect(self.runs).toBe(before)
    })

    it('holds narrowed copies to their methods and to their paths as the router reads them', async () => {
      const credential = await self.buy('GET', '/any')
      const posting = narrowed(credential, 'weather_methods=POST')
      expect((await self.send('GET', '/any', { headers: ['Authorization', posting] })).status).toBe(402)
      expect((await self.send('POST', '/any', { headers: ['Authorization', posting] })).status).toBe(200)
      const whole = await self.buy('GET', '/forecast/x')
      const lisbon = narrowed(whole, 'weather_paths=/forecast/lisbon')
      const headers = ['Authorization', lisbon]
      for (const target of ['/forecast/x', '/FORECAST/lisbon', '/forecast/lisbon/', '/forecast/lisbo%6e'])
        expect([400, 402, 404]).toContain((await self.send('GET', target, { headers })).status)
      expect((await self.send('GET', '/forecast/lisbon', { headers })).status).toBe(200)
    })

    it.each(hostileTargets('forecast', 'x'))('never lets %s reach a paid handler unpaid', async (target) => {
      const before = self.runs
      const other = await self.buy('GET', '/pass')
      // Good for the route, and for no path that these could be taken for.
      const elsewhere = narrowed(await self.buy('GET', '/forecast/y'), 'weather_paths=/forecast/y')
      for (const headers of [[], ['Authorization', other], ['Authorization', elsewhere]]) {
        const answer = await self.send('GET', target, { headers }).catch(() => ({ status: 400 }))
        expect([301, 308, 400, 402, 404]).toContain(answer.status)
      }
      expect(self.runs).toBe(before)
    })

    it('has nothing that the conformance suite finds wrong, and every known client buys', async () => {
      const { findings, clients, paid } = await diagnose({
        url: `http://127.0.0.1:${self.port}/pass`,
        pay: { wallet: self.lightning, mostMsat: 10_000n, maxFeeMsat: 0n },
      })
      expect(findings).toEqual([])
      expect(clients.filter(({ buys }) => !buys)).toEqual([])
      expect(paid).toMatchObject({ amountMsat: 10_000n, feeMsat: 0n })
    })

    it('gates HEAD like GET, without a body (S8)', async () => {
      const unpaid = await self.send('HEAD', '/forecast/x')
      expect(unpaid).toMatchObject({ status: 402, body: '' })
      expect(unpaid.headers['www-authenticate']).toContain('L402 macaroon=')
      const credential = await self.buy('GET', '/forecast/x')
      const paid = await self.send('HEAD', '/forecast/x', { headers: ['Authorization', credential] })
      expect(paid).toMatchObject({ status: 200, body: '', headers: { ratelimit: '"calls";r=1' } })
    })

    it('answers a preflight that reaches it, never charged, and lets pages read a challenge (S5, S8)', async () => {
      const before = self.runs
      const origin = ['Origin', 'https://app.example']
      const preflight = await self.send('OPTIONS', '/any', {
        headers: [
          ...origin,
          'Access-Control-Request-Method',
          'POST',
          'Access-Control-Request-Headers',
          'authorization',
        ],
      })
      expect(preflight.status).toBe(204)
      expect(preflight.headers['access-control-allow-headers']).toBe('Authorization')
      expect((await self.send('OPTIONS', '/forecast/x')).status).not.toBe(402)
      expect(self.runs).toBe(before)
      const refusal = await self.send('GET', '/forecast/x', { headers: origin })
      expect(refusal.headers['access-control-allow-origin']).toBe('*')
      expect(refusal.headers['access-control-expose-headers']).toContain('WWW-Authenticate')
    })

    it('answers gRPC in its own terms', async () => {
      const headers = ['Content-Type', 'application/grpc']
      const { status, headers: said, body } = await self.send('POST', '/order', { headers, body: '' })
      expect({ status, body }).toEqual({ status: 200, body: '' })
      expect(said).toMatchObject({ 'grpc-status': '13', 'grpc-message': 'payment required' })
      expect(said['www-authenticate']).toContain('L402 macaroon=')
    })

    it('shows a browser a page, and takes what is bought there from its cookie (S6)', async () => {
      const accept = ['Accept', 'text/html,*/*;q=0.8']
      const page = await self.send('GET', '/pass', { headers: accept })
      expect(page.status).toBe(402)
      expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
      expect(page.headers['www-authenticate']).toMatch(/^L402 /)
      const [challenge] = findL402Challenges([page.headers['www-authenticate'] ?? ''])
      expect(page.body).toContain(`lightning:${challenge?.invoice}`)
      const waiting = cookiesOf(page)
      const question = ['Cookie', waiting, 'L402-Page', '00']
      expect(await self.send('GET', '/pass', { headers: question })).toMatchObject({
        body: '{"state":"open"}',
      })
      const invoice = challenge?.invoice ?? ''
      const { paymentHash, amountMsat } = decodeInvoice(invoice)
      const terms = { invoice, paymentHash, amountMsat: amountMsat ?? 0n }
      await self.lightning.pay({ ...terms, maxFeeMsat: 0n, timeoutMs: 1000 })
      const before = self.runs
      const opened = await self.send('GET', '/pass', { headers: [...accept, 'Cookie', waiting] })
      expect([opened.status, opened.headers['location']]).toEqual([303, '#'])
      const paid = await self.send('GET', '/pass', { headers: question })
      expect(paid).toMatchObject({ status: 200, body: '{"state":"paid"}' })
      expect(self.runs).toBe(before)
      const bought = ['Cookie', cookiesOf(paid)]
      expect((await self.send('GET', '/pass', { headers: [...accept, ...bought] })).status).toBe(200)
      expect(self.runs).toBe(before + 1)
    })

    it('serves a free route to anybody', async () => {
      const { status, headers } = await self.send('GET', '/health')
      expect({ status, token: headers['x-token-id'] }).toEqual({ status: 200, token: 'none' })
      expect((await self.send('GET', '/nowhere')).status).toBe(404)
    })

    it('asks the gate about what is free, too: for its lists, its rates, and orders about a session', async () => {
      const session = await sessionAt(self, '/events')
      self.pieces.push('end')
      const { res } = await session.stream()
      await expect.poll(() => res.readableEnded).toBe(true)
      const closed = await fetch(`http://127.0.0.1:${self.port}/health`, { headers: session.closeLines })
      expect([closed.status, await closed.json()]).toMatchObject([200, { status: 'closed' }])
      expect((await self.send('HEAD', '/rare')).status).toBe(200)
      expect((await self.send('GET', '/rare')).status).toBe(200)
      for (const method of ['GET', 'HEAD']) expect((await self.send(method, '/rare')).status).toBe(429)
      const shut = await openBench((options, routes) => mount({ ...options, allow: [] }, routes))
      for (const target of ['/health', '/rare', '/pass'])
        for (const method of ['GET', 'HEAD']) expect((await shut.send(method, target)).status).toBe(403)
      expect((await shut.send('POST', '/any')).status).toBe(403)
      await shut.close()
    })

    it('gives the use back when the handler throws, and the error stays the framework’s', async () => {
      const credential = await self.buy('GET', '/throws')
      const headers = ['Authorization', credential]
      self.fails = true
      for (let i = 0; i < 3; i++) {
        const answer = await self.send('GET', '/throws', { headers })
        expect(answer.status).toBe(thrown)
        expect(answer.headers['www-authenticate']).toBeUndefined()
      }
      self.fails = false
      await expect.poll(async () => (await self.send('GET', '/throws', { headers })).status).toBe(200)
      expect((await self.send('GET', '/throws', { headers })).status).toBe(402)
    })

    it('gives the use back for 5xx', async () => {
      const headers = ['Authorization', await self.buy('GET', '/down')]
      self.fails = true
      for (let i = 0; i < 3; i++)
        expect(await self.send('GET', '/down', { headers })).toMatchObject({ status: 503, body: 'down' })
      self.fails = false
      await expect.poll(async () => (await self.send('GET', '/down', { headers })).status).toBe(200)
      expect((await self.send('GET', '/down', { headers })).status).toBe(402)
    })

    it.each(['reserve', 'serve'] as const)(
      'answers 503 where the books are down at %s (rule 9)',
      async (step) => {
        const headers = ['Authorization', await self.buy('GET', '/forecast/x')]
        self.storeDown = step
        const down = await self.send('GET', '/forecast/x', { headers })
        expect(down).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
        expect(JSON.parse(down.body)).toMatchObject({ code: 'store_unavailable' })
        self.storeDown = null
        for (let i = 0; i < 2; i++)
          await expect.poll(async () => (await self.send('GET', '/forecast/x', { headers })).status).toBe(200)
        expect((await self.send('GET', '/forecast/x', { headers })).status).toBe(402)
      },
    )

    it('streams, and settles when the stream ends', async () => {
      const credential = await self.buy('GET', '/stream')
      self.pieces.push('one ')
      const res = await answerOf(self.open('/stream', credential))
      const body: string[] = []
      res.setEncoding('utf8').on('data', (piece: string) => body.push(piece))
      await expect.poll(() => body.join('')).toBe('one ')
      self.pieces.push('two', 'end')
      self.wake()
      await expect.poll(() => res.complete).toBe(true)
      expect(body.join('')).toBe('one two')
      expect(res.headers['ratelimit']).toBe('"calls";r=4')
      self.pieces.push('end')
      const next = await self.send('HEAD', '/stream', { headers: ['Authorization', credential] })
      expect(next.headers['ratelimit']).toBe('"calls";r=3')
    })

    it('uses the call of a client that leaves in the middle (rule 4)', async () => {
      const credential = await self.buy('GET', '/bytes')
      self.pieces.push('x'.repeat(50))
      const req = self.open('/bytes', credential)
      const res = await answerOf(req)
      await new Promise((resolve) => res.once('data', resolve))
      req.destroy()
      self.pieces.push('y', 'y', 'y', 'end')
      self.wake()
      // What was measured by then, some pieces more or less; never nothing.
      await expect.poll(async () => (await self.used(credential))?.used).toBeGreaterThanOrEqual(500n)
      expect((await self.used(credential))?.used).toBeLessThanOrEqual(1000n)
    })

    it('gives the use back where the handler’s stream breaks off', async () => {
      const credential = await self.buy('GET', '/stream')
      for (let i = 0; i < 6; i++) {
        self.pieces.push('one ', new Error('broken'))
        const res = await answerOf(self.open('/stream', credential))
        await new Promise((resolve) =>
          res
            .once('close', resolve)
            .on('error', () => {})
            .resume(),
        )
        // A server that has not sent its head by then still says 500.
        expect(res.complete && (res.statusCode ?? 0) < 500).toBe(false)
      }
      self.pieces.push('end')
      await expect
        .poll(async () => {
          const { status } = await self.send('HEAD', '/stream', { headers: ['Authorization', credential] })
          return status
        })
        .toBe(200)
    })

    it('charges what the handler says, and the estimate where it says nothing', async () => {
      const credential = await self.buy('POST', '/chat')
      const headers = ['Authorization', credential]
      expect(await self.send('POST', '/chat', { headers, body: 'hi' })).toMatchObject({
        status: 200,
        body: 'said hi',
        headers: { ratelimit: '"credit";r=95000' },
      })
      await expect.poll(async () => (await self.used(credential))?.used).toBe(1_500n)
      expect((await self.send('POST', '/chat', { headers, body: 'silent' })).status).toBe(200)
      await expect.poll(async () => (await self.used(credential))?.used).toBe(6_500n)
    })

    it('charges what the answer measures', async () => {
      const credential = await self.buy('GET', '/bytes')
      self.pieces.push('hello ', 'world', 'end')
      const { body } = await self.send('GET', '/bytes', { headers: ['Authorization', credential] })
      expect(body).toBe('hello world')
      await expect.poll(async () => (await self.used(credential))?.used).toBe(110n)
    })

    it('answers a request with the same Idempotency-Key from its books, and the handler runs once (rule 10)', async () => {
      const credential = await self.buy('POST', '/order')
      const headers = ['Authorization', credential, 'Idempotency-Key', 'k1']
      const before = self.runs
      const first = await self.send('POST', '/order', { headers, body: 'tea' })
      expect(first).toMatchObject({ status: 201, body: 'ordered tea' })
      const again = await self.send('POST', '/order', { headers, body: 'tea' })
      expect(again).toMatchObject({ status: 201, body: 'ordered tea' })
      expect(again.headers['idempotency-replayed']).toBe('true')
      expect(again.headers['x-run']).toBe(first.headers['x-run'])
      expect((await self.send('POST', '/order', { headers, body: 'coffee' })).status).toBe(409)
      expect(self.runs).toBe(before + 1)
      const large = await self.send('POST', '/order', {
        headers: headers.with(3, 'k2'),
        body: 'x'.repeat(200_000),
      })
      expect(large.body).toHaveLength('ordered '.length + 200_000)
    })

    itKnowsItsOwnOrigin(() => self)
    itChargesRequestBytes(() => self, countsBodies)
    itStreamsOnSessions(() => self)
  })
}
