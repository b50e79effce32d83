import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { decodeInvoice } from '../src/core/bolt11/index.ts'
import { findL402Challenges } from '../src/core/challenge.ts'
import { formatCredential } from '../src/core/credential.ts'
import type { MemoryLightning } from '../src/lightning/memory.ts'

it.each(['hono', 'express', 'fastify', 'koa', 'node', 'fetch', 'next'])(
  'examples/frameworks/%s.mjs sells its forecast',
  async (name) => {
    process.env['PORT'] = '0'
    const { server, lightning } = (await import(`../../../examples/frameworks/${name}.mjs`)) as {
      server: Server
      lightning: MemoryLightning
    }
    try {
      if (!server.listening) await once(server, 'listening')
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/forecast/lisbon`
      const unpaid = await fetch(url)
      expect(unpaid.status).toBe(402)
      await unpaid.text()
      const [challenge] = findL402Challenges([unpaid.headers.get('www-authenticate') ?? ''])
      const invoice = challenge?.invoice ?? ''
      const { amountMsat, paymentHash } = decodeInvoice(invoice)
      const payment = { invoice, paymentHash, amountMsat: amountMsat ?? 0n, maxFeeMsat: 0n, timeoutMs: 1000 }
      const paid = await lightning.pay(payment)
      const preimage = paid.status === 'paid' ? paid.preimage : new Uint8Array()
      const authorization = formatCredential(challenge?.macaroon ?? '', preimage)
      const answer = await fetch(url, { headers: { authorization } })
      expect(answer.status).toBe(200)
      expect(await answer.json()).toEqual({ city: 'lisbon', sky: 'clear', left: 49 })
    } finally {
      server.close()
      server.closeAllConnections()
    }
  },
)
