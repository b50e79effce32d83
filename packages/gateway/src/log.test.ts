import { encodeBase64, encodeHex, encodeMacaroon, L402Error, mintMacaroon } from '@turnpike/l402'
import { clientPrefix } from '@turnpike/l402/server'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testIo } from '../test/test-io.ts'
import { ConfigError } from './config/issue.ts'
import { parseConfig } from './config/load.ts'
import { createLog, describeError, logRequest, type RequestSummary } from './log.ts'
import { run } from './main.ts'

const request: RequestSummary = {
  method: 'GET',
  path: '/forecast/lisbon',
  service: 'weather',
  route: 'GET /forecast/*',
  outcome: 'paid',
  reason: undefined,
  status: 200,
  durationMs: 1.23456,
  tokenId: 'ab'.repeat(32),
  clientAddress: '203.0.113.77',
}

function logged(which: 'none' | 'problems' | 'all', summary: RequestSummary): Record<string, unknown>[] {
  const lines: string[] = []
  logRequest(
    createLog({ level: 'info' }, (line) => lines.push(line)),
    which,
    summary,
  )
  return lines.map((line) => JSON.parse(line))
}

describe('a request line', () => {
  it('says what happened, with the token and the client shortened', () => {
    const [line] = logged('all', request)
    expect(line).toMatchObject({
      level: 'info',
      method: 'GET',
      path: '/forecast/lisbon',
      route: 'GET /forecast/*',
      status: 200,
      outcome: 'paid',
      ms: 1.2,
      tokenId: 'abababab',
      client: '203.0.113.0/24',
    })
  })

  it('is written for problems only, for all, or never', () => {
    expect(logged('problems', request)).toHaveLength(0)
    expect(logged('problems', { ...request, status: 402, outcome: 'refused' })).toHaveLength(1)
    expect(logged('problems', { ...request, outcome: 'aborted' })).toHaveLength(1)
    expect(logged('none', { ...request, status: 502, outcome: 'failed' })).toHaveLength(0)
  })
})

describe('a client', () => {
  it.each([
    ['203.0.113.77', '203.0.113.0/24'],
    ['::ffff:203.0.113.77', '203.0.113.0/24'],
    ['2001:db8:1:2::3', '2001:db8:1::/48'],
    ['2001:0db8::1', '2001:db8:0::/48'],
    ['::1', '0:0:0::/48'],
    ['fe80::1%eth0', 'fe80:0:0::/48'],
    ['', 'unknown'],
    ['nonsense', 'unknown'],
  ])('%s is logged as %s', (address, prefix) => {
    expect(clientPrefix(address)).toBe(prefix)
  })
})

/** A macaroon in base64 and hex, a preimage and a master key, all random. */
const secrets = fc
  .tuple(...[32, 66, 32, 32].map((length) => fc.uint8Array({ minLength: length, maxLength: length })))
  .filter((parts) => parts.every((bytes) => new Set(bytes).size > 8))
  .map(
    ([
      rootKey = new Uint8Array(),
      identifier = new Uint8Array(),
      preimage = new Uint8Array(),
      key = new Uint8Array(),
    ]) => {
      const macaroon = encodeMacaroon(mintMacaroon({ rootKey, identifier }))
      const texts = [
        encodeBase64(macaroon),
        encodeHex(macaroon),
        encodeHex(preimage),
        encodeBase64(key),
        encodeHex(key),
      ]
      return { texts, credential: `L402 ${texts[0]}:${texts[2]}` }
    },
  )

/** Whether any run of 16 characters of a secret stands in `text`. */
function leaks(text: string, all: readonly string[]): boolean {
  return all.some((secret) => {
    for (let i = 0; i + 16 <= secret.length; i += 8) if (text.includes(secret.slice(i, i + 16))) return true
    return false
  })
}

describe('secrets', () => {
  it('reach no log line, whatever is thrown or logged beside a request', () => {
    fc.assert(
      fc.property(secrets, ({ texts, credential }) => {
        let output = ''
        const log = createLog({ level: 'debug' }, (line) => {
          output += line
        })
        for (const secret of [...texts, credential]) {
          const thrown = Object.assign(new Error(secret, { cause: secret }), {
            code: 'ECONNRESET',
            headers: { authorization: secret },
          })
          log.error({ fault: describeError(thrown) }, 'fault')
          log.error({ fault: describeError(secret) }, 'fault')
          log.error(
            { fault: describeError(new L402Error('store_unavailable', 'no disk', { cause: thrown })) },
            'fault',
          )
          log.info(
            {
              headers: { authorization: secret },
              request: { macaroon: secret, preimage: secret },
              masterKey: secret,
            },
            'x',
          )
          logRequest(log, 'all', { ...request, tokenId: texts[2] ?? '', clientAddress: secret })
        }
        expect(output).not.toBe('')
        expect(leaks(output, texts)).toBe(false)
      }),
      { numRuns: 30 },
    )
  })

  it('reach no configuration error when they come from the environment', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the file's own variable
    const variable = '${S}'
    const keys = ['listen', 'network', 'store', 'drainTimeout', 'admin', 'keys', 'log', 'services']
    fc.assert(
      fc.property(secrets, fc.constantFrom(...keys), ({ texts, credential }, key) => {
        for (const secret of [...texts, credential]) {
          try {
            parseConfig(['lightning: sandbox', `${key}: "${variable}"`].join('\n'), {
              file: 'turnpike.yaml',
              folder: '/',
              env: { S: secret },
              sandbox: false,
            })
            expect.unreachable()
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError)
            expect(leaks(String(error), texts)).toBe(false)
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  it('reach no message of an unexpected fault', async () => {
    const secret = 'a-preimage-that-nobody-may-see'
    const io = testIo('/')
    const broken = Object.defineProperty({ ...io }, 'cwd', {
      get() {
        throw new Error(secret)
      },
    })
    expect(await run(['check'], broken)).toBe(1)
    expect(io.err()).toContain('unexpected fault (Error)')
    expect(io.err()).not.toContain(secret)
  })
})
