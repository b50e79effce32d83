/** What other purses fell for, besides the rest: charges that lie, hosts that turn bad, secrets that come back (rules C2, C7–C10). */

import { DEFAULT_BUDGET } from '@turnpike/l402/client'
import type { Attack } from './attack.ts'
import { type Challenge, charge, demand, headerOf, perPath, type Scene } from './scene.ts'

const BTC = 100_000_000_000n
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A charge of the Payment scheme alone, whose request differs so from the honest one. */
const lying = (
  name: string,
  end: Attack['ends'][number],
  lie: {
    readonly request?: object
    readonly details?: object
    readonly parameters?: string
    readonly amountMsat?: bigint
  },
): Attack => ({
  name,
  http: (_, response, scene) => {
    const { invoice } = scene.challenge({ amountMsat: lie.amountMsat ?? 10_000n })
    const methodDetails = { invoice, network: 'regtest', ...lie.details }
    const request = encoded({ amount: '10', currency: 'sat', methodDetails, ...lie.request })
    const text = `Payment id="x", realm="r", method="lightning", intent="charge", request="${request}"`
    demand(response, text + (lie.parameters ?? ''))
  },
  ends: [end],
})

const refusesText = (name: string, change: (invoice: string) => string): Attack => ({
  name,
  http: (_, response, scene) => {
    const { macaroon, invoice } = scene.challenge()
    demand(response, Buffer.from(headerOf({ macaroon, invoice: change(invoice) })).toString('latin1'))
  },
  ends: ['unpayable malformed'],
})

/** Sells `/x` for one call at a time, at what each costs by then. */
const eachCall = (priceMsat: (sold: number) => bigint): NonNullable<Attack['http']> => {
  const spent = new WeakMap<Scene, Set<string>>()
  return (asked, response, scene) => {
    const used = spent.get(scene) ?? new Set<string>()
    spent.set(scene, used)
    const credential = asked.headers.authorization ?? ''
    const [, macaroon = ''] = /^\S+ ([^:]+):/.exec(credential) ?? []
    if (asked.paid && !used.has(macaroon)) {
      used.add(macaroon)
      return response.end('sunny')
    }
    return charge(response, scene, { amountMsat: priceMsat(used.size) })
  }
}

const preimage = new Uint8Array(32).fill(7)
const sold = new WeakMap<Scene, Challenge>()

/** Each call asks for another URL, by its number. */
const numbered = (urlOf: (scene: Scene, call: number) => string): NonNullable<Attack['url']> => {
  const calls = new WeakMap<Scene, number>()
  return (scene) => {
    const call = calls.get(scene) ?? 0
    calls.set(scene, call + 1)
    return urlOf(scene, call)
  }
}

export const lieAttacks: readonly Attack[] = [
  lying('says 1 sat in a charge and hides an invoice of 900 sat in it', 'unpayable amount_mismatch', {
    request: { amount: '1' },
    amountMsat: 900_000n,
  }),
  lying('says 0.5 sat in a charge', 'unpayable malformed', { request: { amount: '0.5' } }),
  lying('says minus ten satoshi in a charge', 'unpayable malformed', { request: { amount: '-10' } }),
  lying('says dollars in a charge and asks for bitcoin', 'unpayable malformed', {
    request: { currency: 'usd' },
  }),
  lying('names the hash of another payment in a charge', 'unpayable hash_mismatch', {
    details: { paymentHash: '00'.repeat(32) },
  }),
  lying('says mainnet in a charge and asks for play money', 'unpayable wrong_network', {
    details: { network: 'mainnet' },
  }),
  lying('says that its charge ended before the invoice does', 'unpayable expired', {
    parameters: ', expires="2020-01-01T00:00:00Z"',
  }),
  lying('binds its charge to a body that was never sent', 'unpayable malformed', {
    parameters: `, digest="sha-256=:${Buffer.alloc(32).toString('base64')}:"`,
  }),
  lying('names a charge’s request twice', 'unpayable malformed', {
    parameters: `, request="${encoded({ amount: '1' })}"`,
  }),
  lying('asks for two bitcoin in a charge', 'refused over_budget', {
    request: { amount: '200000000' },
    amountMsat: 2n * BTC,
  }),
  refusesText('mixes small letters and capitals in its invoice', (invoice) =>
    invoice.replace(/^lnbcrt/, 'LNbcrt'),
  ),
  refusesText('writes full-width digits into its invoice', (invoice) =>
    invoice.replace(/^lnbcrt\d+/, 'lnbcrt１００'),
  ),
  refusesText('puts an invisible letter into its invoice', (invoice) =>
    invoice.replace(/^lnbcrt/, 'lnbcrt\u200b'),
  ),
  {
    name: 'charges as the twin of a host: the host’s own token stays where it is',
    http: (asked, response, scene) =>
      asked.paid ? response.end('sunny') : charge(response, scene, { amountMsat: 10_000n }),
    url: (scene) => {
      const turn = scene.asked.length === 2 ? 'аpi' : 'api'
      return `http://${turn}.example.com:${new URL(scene.main).port}/x`
    },
    options: { allowHost: (host) => host === 'api.example.com' },
    ends: ['served 200', 'refused host_not_allowed', 'served 200'],
    allowedMsat: 10_000n,
    flags: null,
  },
  {
    name: 'sells two services on one host in turn: neither token is thrown away',
    http: perPath({}),
    url: numbered((scene, call) => `${scene.main}/${['a', 'b'][call % 2]}`),
    ends: ['served 200', 'served 200', 'served 200', 'served 200'],
    allowedMsat: 20_000n,
  },
  {
    name: 'takes the money at one path after the other: the sixth is not paid',
    http: perPath({}, (_, response) => response.writeHead(500).end('no')),
    url: numbered((scene, call) => `${scene.main}/${call}`),
    ends: [...Array<'not_served 500'>(5).fill('not_served 500'), 'refused host_suspended'],
    allowedMsat: 50_000n,
  },
  {
    name: 'asks six times the price once the buyer is used to it',
    http: eachCall((calls) => (calls === 0 ? 10_000n : 60_000n)),
    // An agent is told what a person has to do.
    ends: ['served 200', /^refused (price_jump|approval_needed)$/],
    allowedMsat: 10_000n,
  },
  {
    name: 'asks for more under a payment hash that was paid',
    http: (asked, response, scene) => {
      if (asked.paid && asked.target === '/x') return response.end('sunny')
      const first = sold.get(scene)
      const challenge = scene.challenge({ preimage, amountMsat: first ? 500_000n : 10_000n })
      sold.set(scene, challenge)
      return demand(response, headerOf(challenge))
    },
    url: (scene) => `${scene.main}/${scene.asked.length === 0 ? 'x' : 'y'}`,
    ends: ['served 200', /^(unpayable already_used|not_served 402)$/],
    allowedMsat: 10_000n,
  },
  {
    name: 'has a limit of its own that is larger than the one of all hosts',
    http: (_, response, scene) => charge(response, scene, { amountMsat: BTC }),
    options: { budget: { ...DEFAULT_BUDGET, hosts: { '127.0.0.1': { requestMsat: 100n * BTC } } } },
    ends: ['refused over_budget'],
    flags: null,
  },
  {
    name: 'wants the money for a node that is not on the list',
    http: (_, response, scene) => charge(response, scene),
    options: { budget: { ...DEFAULT_BUDGET, payeeLists: { allow: [`02${'ab'.repeat(32)}`] } } },
    ends: ['refused payee_not_allowed'],
    flags: null,
  },
  {
    name: 'asks for one millisatoshi, and is paid no more than that',
    http: (asked, response, scene) =>
      asked.paid ? response.end('sunny') : charge(response, scene, { amountMsat: 1n }),
    ends: ['served 200'],
    allowedMsat: 1n,
  },
  {
    name: 'takes the money and shows the credential in its answer, its headers and a 500',
    http: (asked, response, scene) =>
      asked.paid
        ? response
            .writeHead(500, {
              etag: `"${asked.headers.authorization}"`,
              'x-echo': asked.headers.authorization,
            })
            .end(JSON.stringify(asked.headers))
        : charge(response, scene),
    ends: ['not_served 500'],
    allowedMsat: 10_000n,
    // A body goes to standard output as it is.
    flags: null,
    args: {},
  },
  {
    name: 'redirects to another host, to learn from what page the buyer comes',
    url: (scene) => `${scene.main}/x?secret=1`,
    http: (asked, response, scene) =>
      asked.listener === 'main'
        ? response.writeHead(302, { location: `${scene.other}/y` }).end()
        : response.end('caught'),
    ends: ['served 200'],
    flags: ['-L'],
    check: (scene) => {
      for (const { listener, headers } of scene.asked)
        if (listener === 'other' && JSON.stringify(headers).includes('secret'))
          throw new Error('the other host was told the query')
    },
  },
  {
    name: 'redirects to itself with a name and a password in the URL',
    http: (asked, response, scene) =>
      asked.target === '/x'
        ? response.writeHead(302, { location: `${scene.main.replace('//', '//me:secret@')}/y` }).end()
        : charge(response, scene),
    ends: ['threw'],
    flags: ['-L'],
  },
  {
    name: 'redirects with a location of sixty thousand letters',
    http: (_, response) => response.writeHead(302, { location: `/${'a'.repeat(60_000)}` }).end(),
    ends: [/^(threw|served 431)$/],
    flags: ['-L'],
  },
  {
    name: 'sells a macaroon of sixty conditions',
    http: (asked, response, scene) =>
      asked.paid
        ? response.end('sunny')
        : charge(response, scene, { caveats: Array.from({ length: 60 }, (_, i) => `shop_n${i}=1`) }),
    ends: ['served 200'],
    allowedMsat: 10_000n,
  },
]
