import { describe, expect, it } from 'vitest'
import { decodeUnverifiedInvoice } from '../core/bolt11/index.ts'
import { decodeBase64, decodeHex, encodeHex } from '../core/bytes.ts'
import { attenuateMacaroon } from '../core/chain.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { L402Error } from '../core/errors.ts'
import { decodeMacaroon, encodeMacaroon } from '../core/macaroon.ts'
import { type MemoryLightning, memoryLightning } from '../lightning/memory.ts'
import { type Paywall, type PaywallOptions, paywall } from '../server/paywall.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { soldName } from './cookies.ts'
import { PAGE_PATH } from './form.ts'

const BASE = 'https://shop.example'
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
const KEY = { id: 'k1', masterKey: new Uint8Array(32).fill(7), active: true }

/** A browser with a jar, in front of a paywall. */
class Tab {
  readonly gate: Paywall
  readonly address: string
  readonly jar = new Map<string, { text: string; path: string }>()

  constructor(gate: Paywall, address = '192.0.2.7') {
    this.gate = gate
    this.address = address
  }

  /** What the handler answered is `sunny`. */
  async ask(path: string, headers: Record<string, string> = {}, init: RequestInit = {}): Promise<Response> {
    const cookies = [...this.jar].flatMap(([name, { text, path: scope }]) =>
      scope === '/' || path === scope || path.startsWith(`${scope}/`) ? [`${name}=${text}`] : [],
    )
    const request = new Request(`${BASE}${path}`, {
      ...init,
      headers: { Accept: BROWSER, ...(cookies.length > 0 ? { Cookie: cookies.join('; ') } : {}), ...headers },
    })
    const result = await this.gate(request, { clientAddress: this.address })
    const answer =
      result.outcome === 'refuse' ? result.response : await result.serve(() => new Response('sunny'))
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', text = '', path = ''] = /^([^=]+)=([^;]*); Path=([^;]+);/.exec(line) ?? []
      if (line.includes('Max-Age=0;')) this.jar.delete(name)
      else this.jar.set(name, { text, path })
    }
    return answer
  }

  /** The page's own question. */
  async state(path: string, headers: Record<string, string> = {}): Promise<string> {
    const answer = await this.ask(path, { Accept: 'application/json', 'L402-Page': '00', ...headers })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    return ((await answer.json()) as { state: string }).state
  }
}

function shop(options: Partial<PaywallOptions> = {}): { gate: Paywall; lightning: MemoryLightning } {
  const lightning = memoryLightning()
  const gate = paywall({
    lightning,
    store: memoryStore(),
    keys: [KEY],
    services: {
      weather: {
        routes: [
          { match: 'GET /forecast/*', price: '10 sat', grants: { valid: '1h' } },
          { match: 'GET,POST /query', price: '1500 msat', grants: { calls: 2 } },
          { match: '/health', free: true },
        ],
      },
    },
    ...options,
  })
  return { gate, lightning }
}

interface Challenge {
  readonly macaroon: string
  readonly invoice: string
}

function challengeIn(answer: Response): Challenge {
  const [challenge] = findL402Challenges([answer.headers.get('www-authenticate') ?? ''])
  if (challenge === undefined) throw new Error('expected a challenge')
  return challenge
}

async function pay(lightning: MemoryLightning, { invoice }: Challenge): Promise<string> {
  const { paymentHash, amountMsat } = decodeUnverifiedInvoice(invoice)
  const terms = { invoice, paymentHash, amountMsat: amountMsat ?? 0n, maxFeeMsat: 0n, timeoutMs: 1000 }
  const paid = await lightning.pay(terms)
  if (paid.status !== 'paid') throw new Error(`the payment is ${paid.status}`)
  return encodeHex(paid.preimage)
}

describe('a 402 for a browser', () => {
  it('has a page for its body, and every header that the problem has', async () => {
    const { gate } = shop({ randomBytes: (length) => new Uint8Array(length).fill(3) })
    const page = await new Tab(gate).ask('/forecast/oslo')
    const problem = await new Tab(gate).ask('/forecast/oslo', { Accept: '*/*' })
    expect([page.status, problem.status]).toEqual([402, 402])
    expect(problem.headers.get('content-type')).toBe('application/problem+json')
    expect(problem.headers.getSetCookie()).toEqual([])
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('cache-control')).toBe('no-store')
    const html = await page.text()
    const { invoice } = challengeIn(page)
    expect(html).toContain(`href="lightning:${invoice}"`)
    expect(html).toContain('10 sat')
    expect(html).toContain('access for 1 hour')
    expect(html.length).toBeLessThan(30 * 1024)
    for (const [name] of problem.headers) expect(page.headers.has(name)).toBe(true)
  })

  it('asks nothing of any other host and runs nothing but its own script', async () => {
    const page = await new Tab(shop().gate).ask('/forecast/oslo')
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+';/)
    expect(policy).not.toContain('unsafe')
    expect(await page.text()).not.toMatch(/https?:\/\/|\/\/[a-z]|src=/i)
  })

  it.each(['application/json', 'text/html, application/json', 'text/html;q=0', '*/*'])(
    'is the problem in JSON for %s',
    async (accept) => {
      const answer = await new Tab(shop().gate).ask('/forecast/oslo', { Accept: accept })
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
    },
  )

  it('is the problem in JSON where pages are off, and where those of a service are', async () => {
    const off = [
      shop({ page: false }),
      shop({ services: { weather: { page: false, routes: [{ match: '/*', price: '1 sat' }] } } }),
    ]
    for (const { gate } of off) {
      const answer = await new Tab(gate).ask('/forecast/oslo')
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(answer.headers.getSetCookie()).toEqual([])
      const posted = await new Tab(gate).ask(PAGE_PATH, { Origin: BASE }, { method: 'POST', body: 'a=b' })
      expect(posted.status).not.toBe(200)
      expect(posted.headers.getSetCookie()).toEqual([])
    }
  })

  it('says words of the service and of another language, and nothing of them is markup', async () => {
    const hostile = '"><script>alert(1)</script>{amount}'
    const { gate } = shop({
      page: { language: 'de', text: { heading: `Bitte zahlen ${hostile}` } },
      services: {
        weather: {
          page: { title: hostile, brand: `Brand ${hostile}` },
          routes: [{ match: '/*', price: '1 sat' }],
        },
      },
    })
    const html = await (
      await new Tab(gate).ask('/a"><script>x</script>'.replaceAll(/[^/a-z]/g, (c) => encodeURIComponent(c)))
    ).text()
    expect(html).toContain('<html lang="de" dir="ltr">')
    expect(html.match(/<script/g)).toHaveLength(1)
    expect(html).toContain('Bitte zahlen &quot;&gt;&lt;script&gt;')
  })

  it.each([
    { page: { language: 'x"y' } },
    { page: { text: { heading: 'x'.repeat(501) } } },
    { page: { text: { nothing: 'x' } as object } },
  ])('is refused at set-up: %j', (options) => {
    expect(() => shop(options)).toThrow(RangeError)
  })
})

describe('what is bought on a page', () => {
  it('opens by itself once the invoice is paid, for this browser alone', async () => {
    const { gate, lightning } = shop()
    const [tab, neighbour] = [new Tab(gate), new Tab(gate)]
    const challenge = challengeIn(await tab.ask('/forecast/oslo'))
    const other = challengeIn(await neighbour.ask('/forecast/oslo'))
    expect(other.invoice).not.toBe(challenge.invoice)
    expect(await tab.state('/forecast/oslo')).toBe('open')
    await pay(lightning, challenge)
    expect(await neighbour.state('/forecast/oslo')).toBe('open')
    expect(await new Tab(gate).state('/forecast/oslo')).toBe('open')
    expect(await tab.state('/forecast/oslo')).toBe('paid')
    expect([...tab.jar.keys()]).toHaveLength(1)
    expect(await (await tab.ask('/forecast/oslo')).text()).toBe('sunny')
    expect(await (await tab.ask('/forecast/bergen')).text()).toBe('sunny')
    expect((await neighbour.ask('/forecast/oslo')).status).toBe(402)
  })

  it('opens without a script: the address asked again', async () => {
    const { gate, lightning } = shop()
    const tab = new Tab(gate)
    const challenge = challengeIn(await tab.ask('/forecast/oslo?day=1'))
    expect(challengeIn(await tab.ask('/forecast/oslo?day=1')).invoice).toBe(challenge.invoice)
    await pay(lightning, challenge)
    const opened = await tab.ask('/forecast/oslo?day=1')
    expect([opened.status, opened.headers.get('location')]).toEqual([303, '#'])
    expect(await (await tab.ask('/forecast/oslo?day=1')).text()).toBe('sunny')
  })

  it('opens by a preimage: in the script’s question, and in a form', async () => {
    const { gate, lightning } = shop()
    const tab = new Tab(gate)
    const preimage = await pay(lightning, challengeIn(await tab.ask('/forecast/oslo')))
    expect(await tab.state('/forecast/oslo', { 'L402-Preimage': '00'.repeat(32) })).toBe('open')
    expect(await tab.state('/forecast/oslo', { 'L402-Preimage': preimage })).toBe('paid')

    const plain = new Tab(gate)
    const page = await plain.ask('/forecast/oslo')
    const proof = await pay(lightning, challengeIn(page))
    const pending = /name="pending" value="([^"]+)"/.exec(await page.text())?.[1] ?? ''
    const submit = (fields: Record<string, string>, headers: Record<string, string> = { Origin: BASE }) =>
      plain.ask(PAGE_PATH, headers, { method: 'POST', body: new URLSearchParams(fields) })
    const good = { pending, preimage: proof, target: '/forecast/oslo' }
    for (const [fields, headers] of [
      [{ ...good, preimage: '00'.repeat(32) }, undefined],
      [{ ...good, pending: `${pending.slice(0, -2)}AA` }, undefined],
      [{ ...good, pending: 'x'.repeat(20_000) }, undefined],
      [good, { Origin: 'https://evil.example' }],
    ] as const) {
      const failed = await submit(fields, headers)
      expect([failed.status, failed.headers.getSetCookie()]).toEqual([400, []])
    }
    for (const target of [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      '/a\r\nSet-Cookie: b',
    ])
      expect((await submit({ ...good, target })).headers.get('location')).toBe('/')
    const opened = await submit(good, { Origin: BASE, Referer: `${BASE}/forecast/oslo?day=1` })
    expect([opened.status, opened.headers.get('location')]).toEqual([303, '/forecast/oslo?day=1'])
    expect(await (await plain.ask('/forecast/oslo')).text()).toBe('sunny')
  })

  it('is not given to who saw invoice and macaroon, nor to a seal that was made up', async () => {
    const { gate, lightning } = shop()
    const tab = new Tab(gate)
    const challenge = challengeIn(await tab.ask('/forecast/oslo'))
    const [[name, { text }]] = [...tab.jar] as [[string, { text: string; path: string }]]
    await pay(lightning, challenge)
    const macaroon = challenge.macaroon.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
    const [nonce = '', , place = '', seal = ''] = text.split('.')
    const other = new Tab(gate)
    const theirs = await other.ask('/forecast/oslo')
    expect(theirs.status).toBe(402)
    const [, { text: foreign }] = [...other.jar][0] as [string, { text: string }]
    const [otherNonce = '', , , otherSeal = ''] = foreign.split('.')
    for (const forged of [
      [nonce, macaroon, place, 'A'.repeat(43)],
      [otherNonce, macaroon, place, otherSeal],
      [otherNonce, macaroon, place, seal],
      [nonce, macaroon, `${place}AA`, seal],
      [nonce, macaroon, place],
      [nonce, '', place, seal],
    ]) {
      const thief = new Tab(gate)
      thief.jar.set(name, { text: forged.join('.'), path: '/forecast' })
      expect(await thief.state('/forecast/oslo')).toBe('open')
      expect([...thief.jar.keys()]).toEqual([name])
    }
    expect(await tab.state('/forecast/oslo')).toBe('paid')
  })

  it('is counted, and its page says so when it is used up; a header goes before a cookie', async () => {
    const { gate, lightning } = shop()
    const tab = new Tab(gate)
    const first = await tab.ask('/query')
    expect(await first.clone().text()).toContain('1.5 sat')
    await pay(lightning, challengeIn(first))
    expect(await tab.state('/query')).toBe('paid')
    expect((await tab.ask('/query')).status).toBe(200)
    const broken = await tab.ask('/query', { Authorization: 'L402 nonsense' })
    expect(broken.status).toBe(402)
    expect((await tab.ask('/query', { Authorization: 'Bearer abc' })).status).toBe(200)
    const spent = await tab.ask('/query')
    expect(spent.status).toBe(402)
    expect(await spent.clone().text()).toContain('What you bought is used up.')
    await pay(lightning, challengeIn(spent))
    expect(await tab.state('/query')).toBe('paid')
    expect((await tab.ask('/query')).status).toBe(200)
  })

  it('is checked like a header’s: a caveat that was added counts, and one that was taken away breaks it', async () => {
    const { gate, lightning } = shop()
    const tab = new Tab(gate)
    const challenge = challengeIn(await tab.ask('/forecast/oslo'))
    const preimage = await pay(lightning, challenge)
    const macaroon = decodeMacaroon(decodeBase64(challenge.macaroon) as Uint8Array)
    const sold = soldName({ service: 'weather', capability: 'GET /forecast/*' })
    const with_ = async (edited: typeof macaroon): Promise<number> => {
      const holder = new Tab(gate)
      const text = Buffer.from(encodeMacaroon(edited)).toString('base64url')
      holder.jar.set(`l402-${sold}`, { text: `${text}:${preimage}`, path: '/' })
      return (await holder.ask('/forecast/oslo')).status
    }
    expect(await with_(macaroon)).toBe(200)
    expect(await with_(attenuateMacaroon(macaroon, ['weather_paths=/forecast/bergen']))).toBe(402)
    expect(await with_(attenuateMacaroon(macaroon, ['weather_valid_until=1']))).toBe(402)
    expect(await with_({ ...macaroon, caveats: macaroon.caveats.slice(1) })).toBe(402)
    expect(decodeHex(preimage)).toHaveLength(32)
  })

  it('is not used by what another site starts', async () => {
    const { gate, lightning } = shop()
    const tab = new Tab(gate)
    await pay(lightning, challengeIn(await tab.ask('/query')))
    expect(await tab.state('/query', { 'Sec-Fetch-Site': 'cross-site' })).toBe('open')
    expect(await tab.state('/query')).toBe('paid')
    expect(
      (await tab.ask('/query', { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' })).status,
    ).toBe(402)
    const post = (headers: Record<string, string>): Promise<Response> =>
      tab.ask('/query', headers, { method: 'POST', body: 'x' })
    expect((await post({ Origin: 'https://evil.example' })).status).toBe(402)
    expect((await post({})).status).toBe(402)
    expect((await post({ Origin: BASE, 'Sec-Fetch-Site': 'same-origin' })).status).toBe(200)
  })

  it('is looked up within bounds, and no second invoice is made while the node does not answer', async () => {
    const { gate, lightning } = shop()
    const tab = new Tab(gate)
    await tab.ask('/forecast/oslo')
    lightning.offline = true
    expect(await tab.state('/forecast/oslo')).toBe('unavailable')
    expect((await tab.ask('/forecast/oslo')).status).toBe(503)
    lightning.offline = false
    const states = await Promise.all(Array.from({ length: 60 }, () => tab.state('/forecast/oslo')))
    expect(states).toContain('open')
    expect(states).toContain('later')
    expect((await tab.ask('/forecast/oslo')).status).toBe(429)
  })

  it('opens without a question to the node about another invoice that was not paid', async () => {
    const clock = { now: Date.parse('2026-01-01T00:00:00Z') }
    const lightning = memoryLightning({ now: () => clock.now })
    const { gate } = shop({ lightning, now: () => clock.now })
    const tab = new Tab(gate)
    await tab.ask('/forecast/oslo')
    clock.now += 400_000
    await pay(lightning, challengeIn(await tab.ask('/forecast/oslo')))
    expect((await tab.ask('/forecast/oslo')).status).toBe(303)
    // The one that nobody paid is still there.
    expect(tab.jar.size).toBe(2)
    lightning.lookupInvoice = () => Promise.reject(new L402Error('lightning_unavailable', 'down'))
    for (let i = 0; i < 200; i++) expect((await tab.ask('/forecast/oslo')).status).toBe(200)
  })

  it('waits for a bounded number of invoices', async () => {
    const { gate } = shop({ challenges: { reuse: false } })
    const tab = new Tab(gate)
    for (let i = 0; i < 7; i++) expect((await tab.ask('/forecast/oslo')).status).toBe(402)
    expect(tab.jar.size).toBe(4)
  })
})
