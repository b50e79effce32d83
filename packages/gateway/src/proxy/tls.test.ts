import { once } from 'node:events'
import { Agent, get as getSecure } from 'node:https'
import { type ConnectionOptions, connect } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { askH2, openH2 } from '../../test/proxy/h2.ts'
import {
  answerOk,
  cleanups,
  closeAll,
  closed,
  open,
  startGateway,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'
import { selfSigned } from '../commands/self-signed.ts'
import type { TlsMaterial } from './index.ts'

afterEach(closeAll)

const OURS = selfSigned(['localhost', '127.0.0.1'], 7)
const OTHER = selfSigned(['localhost', '127.0.0.1'], 7)

async function start(tls: Partial<TlsMaterial> = {}) {
  const upstream = await startUpstream(answerOk)
  const gateway = await startGateway({
    routing: [tableOf(upstream.origin)],
    server: { tls: { ...OURS, ...tls } },
  })
  return { upstream, gateway, url: `https://localhost:${gateway.port}` }
}

/** The status over HTTP/1.1, or the code of what went wrong. */
async function ask(
  port: number,
  options: ConnectionOptions = {},
  agent: Agent | false = false,
): Promise<unknown> {
  return new Promise((resolve) => {
    const req = getSecure(
      { host: '127.0.0.1', servername: 'localhost', port, path: '/free/x', ca: OURS.cert, agent, ...options },
      (res) => {
        res.resume()
        res.on('end', () => resolve(res.statusCode))
      },
    )
    req.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
}

describe('TLS', () => {
  it('speaks HTTP/1.1 and HTTP/2 on one port, as the client asks for', async () => {
    const { gateway, upstream, url } = await start()
    expect(await ask(gateway.port)).toBe(200)
    expect(upstream.seen[0]?.rawHeaders.join('\n')).toContain('X-Forwarded-Proto\nhttps')
    const session = await openH2(url, { ca: OURS.cert })
    expect(session.alpnProtocol).toBe('h2')
    expect(await askH2(session, { ':path': '/free/x' })).toMatchObject({ status: 200 })
    expect(upstream.seen[1]?.rawHeaders.join('\n')).toContain('X-Forwarded-Proto\nhttps')
  })

  it('shows a renewed certificate to new connections, and leaves the old ones be', async () => {
    const { gateway, url } = await start()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    cleanups.push(async () => agent.destroy())
    expect(await ask(gateway.port, {}, agent)).toBe(200)
    const session = await openH2(url, { ca: OURS.cert })
    gateway.server.renewTls(OTHER)
    expect(await ask(gateway.port, { ca: OTHER.cert })).toBe(200)
    expect(await ask(gateway.port)).toBe('DEPTH_ZERO_SELF_SIGNED_CERT')
    expect(await ask(gateway.port, {}, agent)).toBe(200)
    expect((await askH2(session, { ':path': '/free/x' })).status).toBe(200)
    expect(() => gateway.server.renewTls({ cert: OURS.cert, key: OTHER.key })).toThrow()
    expect(await ask(gateway.port, { ca: OTHER.cert })).toBe(200)
  })

  it('speaks nothing older than it is told', async () => {
    const old = await start()
    expect(await ask(old.gateway.port, { maxVersion: 'TLSv1.2' })).toBe(200)
    expect(await ask(old.gateway.port, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' })).not.toBe(200)
    const { gateway } = await start({ minVersion: '1.3' })
    expect(await ask(gateway.port)).toBe(200)
    expect(await ask(gateway.port, { maxVersion: 'TLSv1.2' })).not.toBe(200)
  })

  it.each([
    ['require', 200, false, false],
    ['request', 200, 200, false],
  ] as const)(
    'with clientAuth %s: a right certificate %s, none %s, a wrong one %s',
    async (clientAuth, right, none, wrong) => {
      const { gateway, upstream } = await start({ clientAuth, clientCa: OTHER.cert })
      const results = [await ask(gateway.port, OTHER), await ask(gateway.port), await ask(gateway.port, OURS)]
      const seen = results.map((result) => (result === 200 ? 200 : false))
      expect(seen).toEqual([right, none, wrong])
      expect(upstream.seen).toHaveLength(seen.filter((each) => each === 200).length)
    },
  )

  it('is nothing to a client that speaks in plain text, or says nothing', async () => {
    const { gateway } = await start()
    const plain = open(gateway.port)
    plain.resume()
    plain.write('GET /free/x HTTP/1.1\r\nHost: a\r\n\r\n')
    await closed(plain)
    const slow = await startGateway({ routing: [], server: { tls: OURS, headersTimeoutMs: 50 } })
    const silent = open(slow.port)
    silent.resume()
    await closed(silent)
  })

  it('refuses a client that offers only protocols it does not speak', async () => {
    const { gateway } = await start()
    const socket = connect({
      port: gateway.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: OURS.cert,
      ALPNProtocols: ['spdy/3'],
    })
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toMatch(/ALPN|NO_APPLICATION_PROTOCOL|ECONNRESET/)
  })
})
