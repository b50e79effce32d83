import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryFolder } from '../../test/test-io.ts'
import { selfSigned } from '../commands/self-signed.ts'
import { ConfigError } from './issue.ts'
import { parseConfig } from './load.ts'

let folder = ''
beforeAll(() => {
  folder = temporaryFolder()
  const [ours, other] = [selfSigned(['localhost'], 1), selfSigned(['localhost'], 1)]
  const files = {
    'a.crt': ours.cert,
    'a.key': ours.key,
    'b.crt': other.cert,
    'b.key': other.key,
    'junk.pem': 'junk',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const SERVICE = 'services: { a: { upstream: sample, routes: [{ match: /x, free: true }] } }'
const parse = (text: string) => parseConfig(text, { file: 'turnpike.yaml', folder, env: {}, sandbox: true })

function faultsOf(text: string): string[] {
  try {
    parse(text)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n')
  }
}

const service = (lines: string): string =>
  `services:\n  a:\n    ${lines}\n    routes: [{ match: /x, free: true }]\n`

describe('listen and tls', () => {
  it('each address speaks TLS where there is a certificate, unless it says otherwise', () => {
    const { listen, tls } = parse(
      `listen: [0.0.0.0:443, { address: 0.0.0.0:80, tls: false }]\ntls: { certFile: a.crt, keyFile: a.key }\n${SERVICE}`,
    )
    expect(listen).toEqual([
      { host: '0.0.0.0', port: 443, tls: true },
      { host: '0.0.0.0', port: 80 },
    ])
    expect(tls).toEqual({
      certFile: join(folder, 'a.crt'),
      keyFile: join(folder, 'a.key'),
      clientCaFile: undefined,
      clientAuth: undefined,
      minVersion: '1.2',
    })
    expect(parse(`tls: { certFile: a.crt, keyFile: a.key, clientCaFile: b.crt }\n${SERVICE}`)).toMatchObject({
      listen: [{ host: '127.0.0.1', port: 8402, tls: true }],
      tls: { clientAuth: 'require' },
    })
  })

  it.each([
    [
      'listen: { address: 1.2.3.4:1, tls: true }',
      /:1:\d+: listen\[0\]\.tls: there is no certificate, expected a top-level "tls/,
    ],
    ['listen: { adress: 1.2.3.4:1 }', /unknown key "adress", expected "address"/],
    ['listen: { tls: false }', /listen\.address: not an address, expected host:port/],
    ['tls: { certFile: a.crt }', /:1:\d+: tls: the key "keyFile" is missing, expected a file name/],
    [
      'tls: { certFile: none.crt, keyFile: a.key }',
      /:1:\d+: tls\.certFile: no such file, expected a PEM file/,
    ],
    ['tls: { certFile: junk.pem, keyFile: a.key }', /:1:\d+: tls\.certFile: not a certificate, expected PEM/],
    ['tls: { certFile: a.crt, keyFile: junk.pem }', /:1:\d+: tls\.keyFile: not a private key/],
    ['tls: { certFile: a.crt, keyFile: b.key }', /:1:\d+: tls\.keyFile: not the key of the certificate/],
    [
      'tls: { certFile: a.crt, keyFile: a.key, minVersion: "1.1" }',
      /tls\.minVersion: .*expected "1\.2" or "1\.3"/,
    ],
    [
      'tls: { certFile: a.crt, keyFile: a.key, clientAuth: request }',
      /tls\.clientAuth: nobody signs client certificates/,
    ],
    ['tls: { certFile: a.crt, keyFile: a.key, cipher: x }', /unknown key "cipher"/],
  ])('%s', (line, fault) => {
    const faults = faultsOf(`${line}\n${SERVICE}`)
    expect(
      faults.some((text) => fault.test(text)),
      faults.join('\n'),
    ).toBe(true)
  })
})

describe('how an upstream is spoken to', () => {
  it('is read with the files it names', () => {
    const [h2c] = parse(service('upstream: h2c://127.0.0.1:9000/base/')).services
    expect(h2c).toMatchObject({ upstreams: ['h2c://127.0.0.1:9000/base'], upstreamSide: {} })
    const text =
      'upstream: https://a.test\n    protocol: h2\n    upstreamTls: { caFile: a.crt, certFile: b.crt, keyFile: b.key, serverName: b.test }'
    const side = parse(service(text)).services[0]?.upstreamSide
    expect(side).toMatchObject({ protocol: 'h2', tls: { serverName: 'b.test' } })
    expect(side?.tls?.ca).toContain('BEGIN CERTIFICATE')
    expect(side?.tls?.key).toContain('BEGIN PRIVATE KEY')
    expect(parse(service(text)).services[0]?.upstreamSide.tls?.id).toBe(side?.tls?.id)
  })

  it.each([
    [
      'upstream: http://a.test\n    protocol: h2',
      /:4:\d+: services\.a\.protocol: HTTP\/2 without TLS, expected the upstream as h2c:/,
    ],
    ['upstream: h2c://a.test\n    protocol: h1', /services\.a\.protocol: an h2c upstream speaks HTTP\/2/],
    ['upstream: https://a.test\n    protocol: h3', /services\.a\.protocol: .*expected "h1" or "h2"/],
    [
      'upstream: http://a.test\n    upstreamTls: { insecure: true }',
      /services\.a\.upstreamTls: an upstream without TLS/,
    ],
    [
      'upstream: https://a.test\n    upstreamTls: { caFile: none.crt }',
      /services\.a\.upstreamTls\.caFile: no such file/,
    ],
    [
      'upstream: https://a.test\n    upstreamTls: { certFile: a.crt }',
      /services\.a\.upstreamTls: a certificate and its key go together/,
    ],
    [
      'upstream: https://a.test\n    upstreamTls: { certFile: a.crt, keyFile: b.key }',
      /services\.a\.upstreamTls: the files do not fit together/,
    ],
    [
      'upstream: https://a.test\n    upstreamTls: { insecur: true }',
      /unknown key "insecur", expected "insecure"/,
    ],
    ['upstream: ftp://a.test', /services\.a\.upstream: not an upstream, expected an address such as/],
  ])('%s', (lines, fault) => {
    const faults = faultsOf(service(lines))
    expect(
      faults.some((text) => fault.test(text)),
      faults.join('\n'),
    ).toBe(true)
  })
})
