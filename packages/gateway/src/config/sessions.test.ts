import { describe, expect, it } from 'vitest'
import { parseConfig } from './load.ts'

const NODE = 'url: https://127.0.0.1:8080, macaroonFile: pay.macaroon, tlsCertFile: tls.cert'

function load(sessions: string, { lightning = `{ backend: lnd, ${NODE} }`, sandbox = false } = {}) {
  const text = `lightning: ${lightning}
${sessions}
services: { shop: { upstream: http://127.0.0.1:9000, routes: [{ match: /x, price: 1 sat }] } }`
  return parseConfig(text, { file: 'turnpike.yaml', folder: '/shop', env: {}, sandbox }).sessions
}

describe('sessions', () => {
  it('are there without a word, and nothing is paid back', () => {
    const usual = { idleTimeoutSeconds: 300, pin: false, mostMsat: 100_000_000n, refunds: undefined }
    expect(load('')).toEqual(usual)
    expect(load('sessions: off')).toBeUndefined()
    expect(load('sessions: { idleTimeout: 1h, pin: true, maxBalance: 5 sat }')).toEqual({
      ...usual,
      ...{ idleTimeoutSeconds: 3600, pin: true, mostMsat: 5_000n },
    })
  })

  it('have a wallet whose files start at the file’s folder; --sandbox does without it', () => {
    const text = `sessions: { refunds: { backend: lnd, ${NODE} } }`
    expect(load(text)?.refunds).toMatchObject({
      backend: 'lnd',
      settings: { macaroonFile: '/shop/pay.macaroon', tlsCertFile: '/shop/tls.cert' },
    })
    expect(load(text, { sandbox: true })?.refunds).toBeUndefined()
  })

  it.each([
    ['sessions: 7', 'expected off, or a table such as'],
    ['sessions: { idleTimeout: 5 }', '{ idleTimeout: 5m,'],
    ['sessions: { maxBalance: 5 }', 'maxBalance: 100000 sat'],
    [
      'sessions: { refunds: lnd }',
      'sessions.refunds: expected a table with "backend" (lnd) and its settings',
    ],
    ['sessions: { refunds: { backend: nobody } }', 'expected a table with "backend"'],
    [
      'sessions: { refunds: { backend: phoenixd } }',
      'the backend "phoenixd" pays no invoices without an amount',
    ],
    ['sessions: { refunds: { backend: lnd } }', 'sessions.refunds: '],
    [`sessions: { refunds: { backend: lnd, ${NODE}, colour: red } }`, 'unknown key "colour"'],
  ])('are refused with what was expected: %s', (text, message) => {
    expect(() => load(text)).toThrow(message)
  })

  it('on play money are not paid back with money', () => {
    const text = `sessions: { refunds: { backend: lnd, ${NODE} } }`
    expect(() => load(text, { lightning: 'sandbox' })).toThrow('the sandbox is play money')
  })
})
