import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder, turnpike } from '../../test/test-io.ts'

async function check(text: string): Promise<{ code: number; out: string; err: string }> {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'public'))
  writeFileSync(join(folder, 'turnpike.yaml'), text)
  const { code, out, err } = await turnpike(folder, ['check'], { API_KEY: 'hunter2-very-secret' })
  return { code, out: out.replaceAll(folder, 'FOLDER').replace(/ +/g, ' '), err }
}

describe('what turnpike check prints', () => {
  it('is where requests go, what is changed about them, and each route with its headers and limits', async () => {
    const { code, out } = await check(`lightning: sandbox
services:
  chat:
    upstream: ["http://127.0.0.1:9000/v2", "http://127.0.0.1:9001"]
    hosts: [api.example, "api.example:8443"]
    balance: least-busy
    retries: 2
    health: { path: /healthz, interval: 5s }
    eject: { failures: 3, for: 1m }
    rewrite: { stripPrefix: /chat, prefix: /api }
    headers:
      request: { set: { X-Api-Key: "\${API_KEY}" }, remove: [Cookie] }
      response: { remove: [Server, X-Powered-By] }
    bodyLimit: 1 MiB
    routes:
      - { match: POST /chat/x, price: 9 sat, matchHeaders: { X-Model: "~large|huge", X-Beta: true }, timeout: 1m }
      - { match: POST /chat/x, price: 1 sat, bodyLimit: 64 KiB }
  site:
    static: public
    hosts: www.example
    routes: [{ match: /*, free: true }]
`)
    expect(code).toBe(0)
    expect(out).toContain(
      ' service chat http://127.0.0.1:9000/v2, http://127.0.0.1:9001; least-busy; 2 retries where nothing was sent; asked for /healthz every 5s; left out for 60s after 3 failures; without /chat; below /api; requests get X-Api-Key; requests lose Cookie; answers lose Server, X-Powered-By; for api.example, api.example:8443\n',
    )
    expect(out).toContain(' service site files of FOLDER/public; for www.example\n')
    expect(out).toContain(
      `Routes, in the order they match:
 SERVICE MATCH PRICE BUYS CAPABILITY
 chat POST /chat/x [X-Model: ~large|huge, X-Beta] 9 sat 1 call; first byte within 1m; bodies up to 1 MiB POST /chat/x [x-beta%2C x-model]
 chat POST /chat/x 1 sat 1 call; bodies up to 64 KiB POST /chat/x
 site /* free - -
`,
    )
    expect(out).not.toContain('hunter2')
  })

  it('warns of routes that another takes everything of, by path, header, expression and host', async () => {
    const { code, err } = await check(`lightning: sandbox
services:
  a:
    upstream: sample
    hosts: [one.example, two.example]
    routes:
      - { match: /v1/*, price: 1 sat, matchHeaders: { X-Model: true }, capability: c }
      - { match: GET /v1/x, price: 2 sat, matchHeaders: { X-Model: large } }
      - { match: GET /v1/x, price: 3 sat }
      - { match: "GET ~/v[12]/.*", price: 4 sat }
      - { match: "GET ~/v[12]/.*", price: 4 sat, capability: d, matchHeaders: { X-Beta: "1" } }
      - { match: "~/.*", price: 5 sat }
      - { match: "~/v3/[a-z]+", price: 6 sat }
  b:
    upstream: sample
    hosts: two.example
    routes: [{ match: /rest, price: 7 sat }]
  c:
    upstream: sample
    routes: [{ match: /rest, price: 8 sat }, { match: "/api/*", price: 9 sat }, { match: "~/api/[a-z]*", price: 9 sat }]
`)
    expect(code).toBe(0)
    expect(
      err
        .split('\n')
        .flatMap(
          (line) => /^turnpike\.yaml:(\d+):\d+: warning: (.* first)$/.exec(line)?.slice(1).join(' ') ?? [],
        ),
    ).toEqual([
      '8 "GET /v1/x [x-model]" is never reached: "/v1/* [x-model]" (line 7) matches all of it first',
      '11 "GET ~/v[12]/.* [x-beta]" is never reached: "GET ~/v[12]/.*" (line 10) matches all of it first',
      '13 "~/v3/[a-z]+" is never reached: "~/.*" (line 12) matches all of it first',
      '17 "/rest" is never reached: "~/.*" (line 12) matches all of it first',
      '20 "~/api/[a-z]*" is never reached: "/api/*" (line 20) matches all of it first',
    ])
  })
})

describe('files that a backend names and that are not there', () => {
  const text = `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
lightning:
  - { backend: lnd, url: "https://127.0.0.1:9", macaroonFile: no.macaroon, tlsCertFile: there.cert }
  - { backend: phoenixd, url: "http://127.0.0.1:9", passwordFile: public }
  - backend: lnbits
    url: http://127.0.0.1:9
    keyFile: "\${FOLDER}/empty.key"
services:
  a:
    upstream: sample
    routes: [{ match: /x, price: 1 sat }]
`
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'public'))
  writeFileSync(join(folder, 'turnpike.yaml'), text)
  writeFileSync(join(folder, 'there.cert'), 'x')
  writeFileSync(join(folder, 'empty.key'), '')
  const env = { FOLDER: folder }
  const faults = [
    `4:63: LEVELlightning.0.macaroonFile: ${folder}/no.macaroon: there is no such file, expected a file that can be read`,
    `5:67: LEVELlightning.1.passwordFile: ${folder}/public: it is a folder, expected a file that can be read`,
    `8:14: LEVELlightning.2.keyFile: ${folder}/empty.key: it is empty, expected a file that can be read`,
  ]
  const told = (level: string): string =>
    faults.map((fault) => `turnpike.yaml:${fault.replace('LEVEL', level)}\n`).join('')

  it('are warnings of check, as another machine may have them', async () => {
    const { code, out, err } = await turnpike(folder, ['check'], env)
    expect(code).toBe(0)
    expect(err.split(/^(?=turnpike\.yaml: )/m)[0]).toBe(told('warning: '))
    expect(out).toContain('turnpike.yaml is valid.')
  })

  it('end serve with 78 before anything is made, and are no matter on the sandbox', async () => {
    expect(await turnpike(folder, ['serve'], env)).toEqual({ code: 78, out: '', err: told('') })
    expect(existsSync(join(folder, 'turnpike.db'))).toBe(false)
    expect((await turnpike(folder, ['check', '--sandbox'], env)).err).not.toContain('lightning.')
  })
})
