/** A seller whose invoices and macaroons are those of a real gateway, and who does with them what a test wants. */

import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { findL402Challenges } from '@turnpike/l402'
import { afterEach } from 'vitest'
import { CERTIFICATE, PRIVATE_KEY } from './certificate.ts'
import { secrets } from './fare.ts'
import type { Gateway } from './gateway.ts'

/** What a seller received. */
export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** Whether a credential came with it. */
  readonly paid: boolean
}

/** A challenge in its parts. */
export interface Challenge {
  readonly macaroon: string
  readonly invoice: string
}

/** What a seller does with a request. */
export type Behaviour = (received: Received, response: ServerResponse) => unknown

/** A running seller. */
export interface Seller {
  readonly url: string
  readonly received: Received[]
  /** Requests so far: `paid` or `unpaid`. */
  kinds(): string[]
}

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** Starts a seller on a free loopback port; it ends with the test. */
export async function startSeller(
  behaviour: Behaviour,
  options: { tls?: boolean; host?: string } = {},
): Promise<Seller> {
  const { tls = false, host = '127.0.0.1' } = options
  const received: Received[] = []
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('error', () => {})
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers, rawHeaders } = request
      const paid = /^(L402|LSAT) /.test(headers.authorization ?? '')
      const one = { method, url, headers, rawHeaders, body: Buffer.concat(chunks), paid }
      received.push(one)
      void behaviour(one, response)
    })
  }
  const server = tls
    ? createTlsServer({ key: PRIVATE_KEY, cert: CERTIFICATE }, listener)
    : createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    url: `${tls ? 'https' : 'http'}://${host}:${(server.address() as AddressInfo).port}`,
    received,
    kinds: () => received.map(({ paid }) => (paid ? 'paid' : 'unpaid')),
  }
}

/** A challenge of the gateway: real, payable, and worth nothing to this seller. */
export async function challengeOf(gateway: Gateway, path = '/forecast/x'): Promise<Challenge> {
  const response = await fetch(gateway.url + path)
  await response.body?.cancel()
  const [challenge] = findL402Challenges([response.headers.get('www-authenticate') ?? ''])
  if (!challenge) throw new Error('the gateway made no challenge')
  secrets.add(challenge.macaroon)
  return challenge
}

/** The header of a challenge. */
export function headerOf({ macaroon, invoice }: Challenge): string {
  return `L402 macaroon="${macaroon}", invoice="${invoice}"`
}

/** Answers 402 with a fresh challenge. */
export async function charge(
  gateway: Gateway,
  response: ServerResponse,
  change: Partial<Challenge> = {},
): Promise<void> {
  const challenge = { ...(await challengeOf(gateway)), ...change }
  const body = JSON.stringify(challenge)
  response
    .writeHead(402, { 'www-authenticate': headerOf(challenge), 'content-type': 'application/json' })
    .end(body)
}

/** A seller who charges, and once a credential is there does what `served` says. */
export function charging(gateway: Gateway, served: Behaviour): Behaviour {
  return (received, response) => (received.paid ? served(received, response) : charge(gateway, response))
}
