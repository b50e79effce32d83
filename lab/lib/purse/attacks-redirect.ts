/** Statuses that charge nobody, redirects, twins and downgrades (rules C6, C7, C9). */

import type { Attack } from './attack.ts'
import { type Asked, charge, demand, headerOf, perPath, type Scene } from './scene.ts'

const challengeOn = (status: number, end: Attack['ends'][number]): Attack => ({
  name: `puts its challenge on a ${status}`,
  http: (_, response, scene) => demand(response, headerOf(scene.challenge()), { status }),
  ends: [end],
})
const to =
  (location: (scene: Scene) => string, status = 302): NonNullable<Attack['http']> =>
  (_, response, scene) =>
    response.writeHead(status, { location: location(scene) }).end()

/** What must be so after a redirect: no request to another listener carried a credential or a secret of the user's. */
const nothingLeaked = (scene: Scene): void => {
  for (const { listener, headers } of scene.asked) {
    if (listener === 'main') continue
    for (const name of ['authorization', 'cookie', 'macaroon', 'proxy-authorization', 'dpop'])
      if (headers[name] !== undefined) throw new Error(`${name} reached the ${listener} listener`)
  }
}
/** Charges at `main`; once paid, sends the buyer somewhere else. */
const paidThen =
  (location: (scene: Scene) => string, status = 302): NonNullable<Attack['http']> =>
  (asked, response, scene) => {
    if (asked.listener !== 'main') return response.end('caught')
    if (!asked.paid) return charge(response, scene)
    return response.writeHead(status, { location: location(scene) }).end()
  }
const follow = ['-L', '-k']
const twin = (name: string, host: (scene: Scene) => string): Attack => ({
  name,
  http: (asked, response, scene) => {
    const victim = (asked.headers.host ?? '').startsWith('api.example.com:')
    if (victim) return asked.paid ? response.end('sunny') : charge(response, scene)
    if (asked.paid) throw new Error('the twin was given the token')
    return response.end('caught')
  },
  url: (scene) => {
    const first = scene.asked.length === 0
    return first ? `http://api.example.com:${new URL(scene.main).port}/x` : host(scene)
  },
  ends: ['served 200', 'served 200'],
  allowedMsat: 10_000n,
  check: (scene) => {
    const caught = scene.asked.filter(({ headers }) => !(headers.host ?? '').startsWith('api.example.com:'))
    if (caught.length === 0) throw new Error('the twin was never asked')
    if (caught.some(({ paid }) => paid)) throw new Error('the twin was given the token')
  },
  flags: null,
})

export const redirectAttacks: readonly Attack[] = [
  challengeOn(200, 'served 200'),
  challengeOn(401, 'served 401'),
  challengeOn(403, 'served 403'),
  challengeOn(407, /^(served 407|threw)$/),
  challengeOn(429, 'served 429'),
  challengeOn(500, 'served 500'),
  challengeOn(503, 'served 503'),
  {
    name: 'redirects for ever',
    http: to((scene) => `${scene.main}/${scene.asked.length}`),
    ends: ['threw'],
    flags: follow,
  },
  { name: 'redirects to a file', http: to(() => 'file:///etc/passwd'), ends: ['threw'], flags: follow },
  {
    name: 'redirects to data of its own',
    http: to(() => 'data:text/plain,sunny'),
    ends: ['threw'],
    flags: follow,
  },
  { name: 'redirects to a script', http: to(() => 'javascript:alert(1)'), ends: ['threw'], flags: follow },
  {
    name: 'redirects to nothing that is a URL',
    http: to(() => 'http://[::'),
    ends: ['threw'],
    flags: follow,
  },
  {
    name: 'redirects the payment to a host that is not allowed',
    http: (asked, response, scene) =>
      asked.listener === 'main'
        ? response.writeHead(302, { location: `${scene.other}/x` }).end()
        : charge(response, scene),
    ends: ['refused host_not_allowed'],
    options: { allowHost: (host) => host === '127.0.0.1' },
    flags: null,
  },
  {
    name: 'redirects the payment to another host, which may not be paid',
    http: (asked, response, scene) =>
      asked.listener === 'main'
        ? response.writeHead(307, { location: `${scene.other}/x` }).end()
        : charge(response, scene),
    ends: ['refused host_not_allowed'],
    options: { payOtherHosts: false },
    flags: null,
  },
  {
    name: 'charges at every hop: one call makes one purchase',
    http: perPath({}, (_, response, scene) =>
      response.writeHead(302, { location: `/${scene.asked.length}` }).end(),
    ),
    ends: ['not_served 402'],
    options: { maxMsat: 35_000n },
    flags: [...follow, '--max', '35sat'],
    allowedMsat: 10_000n,
  },
  {
    name: 'takes the money and sends the credential’s holder to another host',
    http: paidThen((scene) => `${scene.other}/steal`),
    ends: ['served 200'],
    flags: follow,
    allowedMsat: 10_000n,
    check: nothingLeaked,
  },
  {
    name: 'takes the money and sends the credential’s holder to another port',
    http: paidThen((scene) => `${scene.tls}/steal`, 307),
    ends: ['served 200'],
    flags: follow,
    allowedMsat: 10_000n,
    check: nothingLeaked,
  },
  {
    name: 'sends a request with Authorization and cookies to another host',
    http: (asked, response, scene) =>
      asked.listener === 'main'
        ? response.writeHead(307, { location: `${scene.other}/steal` }).end()
        : response.end('caught'),
    init: { headers: { authorization: 'Bearer mine', cookie: 'sid=1' } },
    ends: ['served 200'],
    flags: [...follow, '-H', 'Authorization: Bearer mine', '-H', 'Cookie: sid=1'],
    check: nothingLeaked,
  },
  {
    name: 'downgrades from https to http and charges there',
    url: (scene) => `${scene.tls}/x`,
    http: (asked, response, scene) =>
      asked.listener === 'tls'
        ? response.writeHead(302, { location: `${scene.main}/x` }).end()
        : charge(response, scene),
    ends: ['refused downgrade'],
    flags: follow,
  },
  {
    name: 'downgrades the holder of a token of the http origin, to read it',
    http: (asked, response, scene) => {
      if (asked.listener === 'tls') return response.writeHead(302, { location: `${scene.main}/x` }).end()
      return asked.paid ? response.end('sunny') : charge(response, scene)
    },
    url: (scene) => (scene.asked.length === 0 ? `${scene.main}/x` : `${scene.tls}/x`),
    ends: ['served 200', 'refused downgrade'],
    flags: follow,
    allowedMsat: 10_000n,
    check: (scene) => {
      if (scene.asked.filter(({ paid }) => paid).length !== 1) throw new Error('the token went out again')
    },
  },
  {
    name: 'downgrades and climbs up again before it charges',
    url: (scene) => `${scene.tls}/x`,
    http: (asked, response, scene) => {
      if (asked.target === '/x' && asked.listener === 'tls')
        return response.writeHead(302, { location: `${scene.main}/x` }).end()
      if (asked.listener === 'main') return response.writeHead(302, { location: `${scene.tls}/y` }).end()
      return charge(response, scene)
    },
    ends: ['refused downgrade'],
    flags: follow,
  },
  {
    name: 'has a certificate that nobody vouches for',
    url: (scene) => `${scene.tls}/x`,
    http: (_, response, scene) => charge(response, scene),
    ends: ['threw'],
    options: { fetch: globalThis.fetch },
    flags: [],
    check: (scene) => {
      if (scene.asked.length > 0) throw new Error('it was asked all the same')
    },
  },
  twin(
    'has a name that differs by an accent',
    (scene) => `http://api.éxample.com:${new URL(scene.main).port}/x`,
  ),
  twin(
    'has a name with a Cyrillic letter',
    (scene) => `http://аpi.example.com:${new URL(scene.main).port}/x`,
  ),
  twin(
    'has the name with a dot at its end',
    (scene) => `http://api.example.com.:${new URL(scene.main).port}/x`,
  ),
  twin('is another port of the host', (scene) => `${scene.other}/x`),
  {
    name: 'wants to be paid by a request with its own Authorization',
    http: (asked, response, scene) => (asked.paid ? response.end('sunny') : charge(response, scene)),
    init: { headers: { authorization: 'Bearer mine' } },
    ends: ['refused own_authorization'],
    flags: ['-H', 'Authorization: Bearer mine'],
    check: (scene) => {
      for (const { headers } of scene.asked as readonly Asked[])
        if (headers.authorization !== 'Bearer mine') throw new Error('the user’s Authorization was replaced')
    },
  },
  {
    name: 'charges for a body that cannot be sent again',
    http: (_, response, scene) => charge(response, scene),
    ends: ['refused not_replayable'],
    flags: null,
    init: { method: 'POST', duplex: 'half' },
  },
]
