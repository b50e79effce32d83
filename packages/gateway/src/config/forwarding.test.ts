// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the file's own variables are the subject
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { faultsOf, folder, read, route, SECRET, service, two } from './wrong-values.test-suite.ts'

describe('wrong values', () => {
  it('from the environment, or a file, are never shown', () => {
    const places = [
      service('headers: { request: { set: { X-Key: "${S}\\n" } } }'),
      service('headers: { response: { set: { X-Key: { file: "${S}" } } } }'),
      service('headers: { request: { remove: ["${S} "] } }'),
      service('tier: 0', 'upstream: ["${S}"]'),
      service('tier: 0', 'upstream: "${S}"'),
      service('tier: 0', 'static: "${S}"'),
      service('rewrite: { prefix: "${S}" }'),
      service('rewrite: { stripPrefix: "/${S}" }'),
      service('hosts: "${S}/"'),
      service('bodyLimit: "${S}"'),
      two('health: { path: "${S}" }'),
      two('balance: "${S}"'),
      route('{ match: /x, price: 1 sat, matchHeaders: { X-A: "~(${S}" } }'),
    ]
    for (const text of places) {
      const faults = faultsOf(text, { S: SECRET })
      expect(faults).not.toEqual([])
      for (const fault of faults) expect(fault).not.toContain(SECRET)
    }
  })
})

describe('right values', () => {
  it('of header lines come from the text, the environment and files', () => {
    const config = read(
      service(
        'headers: { request: { set: { A: "k ${K} $5", B: { file: key }, C: { file: bytes, encoding: hex }, D: { file: bytes, encoding: base64 }, E: "" }, remove: [Cookie] } }',
      ),
      { K: 'v' },
    )
    expect(config.services[0]?.requestHeaders).toEqual({
      set: [
        ['A', 'k v $5'],
        ['B', SECRET],
        ['C', '0001feff'],
        ['D', 'AAH+/w=='],
        ['E', ''],
      ],
      remove: ['Cookie'],
    })
    expect(config.services[0]?.answerHeaders).toBeUndefined()
  })

  it('of upstreams have their defaults', () => {
    expect(read(service('tier: 0')).services[0]).toMatchObject({
      upstreams: ['http://127.0.0.1:9000'],
      retries: 0,
      health: undefined,
      eject: undefined,
      rewritePrefix: '',
      stripPrefix: '',
    })
    expect(read(two('health: { path: /h }\n    eject: {}')).services[0]).toMatchObject({
      balance: 'round-robin',
      retries: 1,
      health: { path: '/h', intervalMs: 10_000, timeoutMs: 2000, failAfter: 3, passAfter: 2 },
      eject: { failures: 5, forMs: 30_000 },
    })
  })

  it('of a folder, a prefix and limits are resolved', () => {
    const config = read(
      service(
        'rewrite: { prefix: /site/, stripPrefix: /v1 }\n    bodyLimit: 1 GiB',
        'static: public',
      ).replace('price: 1 sat }', 'price: 1 sat }, { match: /v2/x, free: true, bodyLimit: 5 B }'),
    )
    expect(config.services[0]).toMatchObject({
      upstreams: [],
      staticFolder: join(folder, 'public'),
      rewritePrefix: '/site',
      stripPrefix: '/v1',
      routes: [{ bodyLimit: 1_073_741_824 }, { bodyLimit: 5 }],
    })
  })

  it('of routes by header make names and capabilities without what the lines hold', () => {
    const config = read(
      route(
        '{ match: POST /x, price: 9 sat, matchHeaders: { X-B: true, X-A: "~s3cr.t" } }, { match: POST /x, price: 5 sat, capability: b, matchHeaders: { X-A: s3cret, X-B: "1" } }, { match: POST /x, price: 1 sat }',
      ),
    )
    expect(config.services[0]?.routes).toMatchObject([
      { name: 'POST /x [x-a, x-b]', capability: 'POST /x [x-a%2C x-b]' },
      { name: 'POST /x [x-a, x-b] #2', capability: 'b' },
      { name: 'POST /x', capability: 'POST /x' },
    ])
  })
})
