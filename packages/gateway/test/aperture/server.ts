/** What the behaviours are tried on: a gateway that was started from an `aperture.yaml`, ours or Aperture itself. */

import { request } from 'node:http'
import { connect } from 'node:http2'
import { attenuateMacaroon, decodeMacaroon, encodeMacaroon, findL402Challenges } from '@turnpike/l402'
import { type AskOptions, ask, type Response } from '../e2e/client.ts'

/** A gateway under trial. */
export interface Tried {
  readonly url: string
  /** Pays an invoice and answers the preimage in hex. */
  pay(invoice: string): Promise<string>
}

/** What was bought. */
export interface Credential {
  readonly macaroon: string
  readonly preimage: string
}

/** The services of the one configuration that both get; `address` is that of {@link behaviourUpstream}. */
export function behaviourServices(address: string): readonly Record<string, unknown>[] {
  const paid = { auth: 'on', price: 10 }
  const rates = (...ratelimits: Record<string, unknown>[]): Record<string, unknown> => ({
    auth: 'off',
    ratelimits,
  })
  const services: Record<string, Record<string, unknown>> = {
    rewrite: { hostregexp: '^rewrite\\.test$', auth: 'off', rewrite: { prefix: '/api' } },
    on: {
      ...paid,
      pathregexp: '^/on/.*$',
      authwhitelistpaths: ['^/on/free$'],
      authskipinvoicecreationpaths: ['^/on/skip$'],
    },
    other: {
      ...paid,
      pathregexp: '^/other/.*$',
      capabilities: 'read,write',
      constraints: { volume: 'a=1=' },
    },
    timed: { ...paid, pathregexp: '^/timed/.*$', timeout: 3600 },
    off: { auth: 'off', pathregexp: '^/off/.*$' },
    configured: { ...paid, pathregexp: '^/configured/', headers: { Authorization: 'Bearer configured' } },
    eleven: {
      pathregexp: '^/eleven',
      ...rates({ pathregexp: '^/eleven/a', requests: 10, per: '1h', burst: 10 }),
    },
    strict: {
      pathregexp: '^/strict',
      ...rates({ requests: 100, per: '1h' }, { pathregexp: '^/strict/a', requests: 2, per: '1h' }),
    },
    each: { ...paid, pathregexp: '^/each/', ratelimits: [{ requests: 1, per: '1h' }] },
    garbage: { pathregexp: '^/garbage/', ...rates({ requests: 2, per: '1h' }) },
    slow: { pathregexp: '^/slow/', ...rates({ requests: 1, per: '5s' }) },
    free: { pathregexp: '^/freebie/', auth: 'freebie 2', price: 10 },
  }
  return Object.entries(services).map(([name, more]) => ({
    name,
    hostregexp: '.*',
    address,
    protocol: 'http',
    ...more,
  }))
}

/** Asks with nothing but what is said. */
export const get = (tried: Tried, path: string, headers: AskOptions['headers'] = {}): Promise<Response> =>
  ask(tried.url, 'GET', path, { headers })

/** Status alone. */
export async function statusOf(
  tried: Tried,
  path: string,
  headers: AskOptions['headers'] = {},
): Promise<number> {
  return (await get(tried, path, headers)).status
}

/** Buys a path as an old client does: the first challenge there is. */
export async function buy(tried: Tried, path: string): Promise<Credential> {
  const refused = await get(tried, path)
  const [challenge] = findL402Challenges(refused.all('www-authenticate'))
  if (challenge === undefined) throw new Error(`no challenge in an answer of ${refused.status}`)
  return { macaroon: challenge.macaroon, preimage: await tried.pay(challenge.invoice) }
}

/** The header that presents a credential. */
export function present({ macaroon, preimage }: Credential, scheme = 'L402'): { authorization: string } {
  return { authorization: `${scheme} ${macaroon}:${preimage}` }
}

/** With further caveats. */
export function attenuate({ macaroon, preimage }: Credential, ...caveats: string[]): Credential {
  const narrower = attenuateMacaroon(decodeMacaroon(Buffer.from(macaroon, 'base64')), caveats)
  return { macaroon: Buffer.from(encodeMacaroon(narrower)).toString('base64'), preimage }
}

/** The macaroon in hex with its preimage as a caveat, as gRPC clients send it. */
export function inHex(credential: Credential): string {
  const { macaroon } = attenuate(credential, `preimage=${credential.preimage}`)
  return Buffer.from(macaroon, 'base64').toString('hex')
}

/** A unary gRPC call's answer: its header block, which is all there is of a refusal. */
export function grpc(tried: Tried, path: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const session = connect(tried.url)
    session.on('error', reject)
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('response', (headers, flags) => {
      // END_STREAM: these are the trailers as well.
      const { 'grpc-status': code, 'grpc-message': message, ':status': status } = headers
      const challenges = [headers['www-authenticate'] ?? []].flat().join(', ')
      resolve({
        status,
        code: Number(code),
        message,
        trailersOnly: (flags & 1) === 1,
        challenges: (challenges.match(/(?:LSAT|L402) macaroon="[^"]+", invoice="[^"]+"/g) ?? []).length,
      })
      session.destroy()
    })
    stream.on('error', () => {})
    stream.end()
  })
}

/** The first piece of an answer, while the rest of it is still to come; then `release` lets the upstream end it. */
export function firstPiece(
  tried: Tried,
  path: string,
  release: () => void,
): Promise<{ first: string; whole: string }> {
  const { hostname, port } = new URL(tried.url)
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, agent: false }, (answer) => {
      let text = ''
      let first = ''
      answer.setEncoding('latin1').on('data', (chunk: string) => {
        if (text === '') {
          first = chunk
          release()
        }
        text += chunk
      })
      answer.on('end', () => resolve({ first, whole: text }))
    })
    sent.on('error', reject)
    sent.end()
  })
}
