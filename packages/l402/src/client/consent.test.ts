import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NO_LIMITS } from '../../test/support/purse-samples.ts'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { decodeHex } from '../core/bytes.ts'
import type { PayRequest } from '../lightning/backend.ts'
import { buyer } from './buyer.ts'
import { prepareRequest } from './prepare.ts'
import type { ProposedPurchase } from './proposal.ts'

let seller: Stage['seller']
let wallet: Stage['wallet']
let purse: Stage['purse']
let get: Stage['get']
let types: Stage['types']
let spent: Stage['spent']

beforeEach(async () => {
  ;({ seller, wallet, purse, get, types, spent } = await setStage())
})
afterEach(() => seller[Symbol.asyncDispose]())

/** Somebody who says yes to everything, and what was shown. */
function yes() {
  const shown: ProposedPurchase[] = []
  const approve = async (purchase: ProposedPurchase) => {
    shown.push(purchase)
    return 'approved' as const
  }
  return { shown, approve }
}

async function nothingPaid(): Promise<void> {
  expect(wallet.paid).toEqual([])
  expect(await spent()).toBe(0n)
  expect(await purse.payments(9)).toEqual([])
}

describe('approval', () => {
  beforeEach(() => purse.setBudget({ ...NO_LIMITS, overall: { approveAboveMsat: 10_999n } }))

  it('is asked for above the threshold, fee reserve included, and sees what is bought without a secret', async () => {
    const { shown, approve } = yes()
    expect(await get('/forecast?key=hidden', { approve, task: 'nightly' })).toMatchObject({ kind: 'served' })
    expect(shown).toEqual([
      {
        method: 'GET',
        origin: seller.origin,
        host: '127.0.0.1',
        path: '/forecast',
        amountMsat: 10_000n,
        maxFeeMsat: 1_000n,
        payee: expect.stringMatching(/^0[23][0-9a-f]{64}$/),
        network: 'regtest',
        description: 'one forecast',
        paymentHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        expiresAt: expect.any(Number),
        caveats: ['services=weather:0'],
        task: 'nightly',
        asks: 'threshold',
        lastAmountMsat: null,
      },
    ])
    expect(types()).toContain('asking')
    const [payment] = await purse.payments(1)
    expect(JSON.stringify(shown, (_, v) => (typeof v === 'bigint' ? `${v}` : v))).not.toContain(
      payment?.macaroon,
    )
  })

  it('is not asked for at the threshold', async () => {
    await purse.setBudget({ ...NO_LIMITS, overall: { approveAboveMsat: 11_000n } })
    const { shown, approve } = yes()
    expect(await get('/', { approve })).toMatchObject({ kind: 'served' })
    expect(shown).toEqual([])
  })

  it('refuses where there is nobody to ask', async () => {
    expect(await get()).toMatchObject({
      kind: 'refused',
      reason: 'approval_required',
      offer: { amountMsat: 10_000n },
    })
    await nothingPaid()
  })

  it.each<readonly [string, () => Promise<unknown>]>([
    ['a denial', async () => 'denied'],
    ['an error', async () => Promise.reject(new Error('broken'))],
    ['something else that is true', async () => true],
    ['an approval of another spelling', async () => 'Approved'],
    ['nothing', async () => undefined],
  ])('refuses after %s', async (_, answer) => {
    const approve = answer as () => Promise<'approved'>
    expect(await get('/', { approve })).toMatchObject({ kind: 'refused', reason: 'approval_denied' })
    await nothingPaid()
  })

  it('refuses at the deadline, and takes no answer after it', async () => {
    const over: boolean[] = []
    const approve = (_: ProposedPurchase, { signal }: { signal: AbortSignal }) =>
      new Promise<'approved'>((resolve) => {
        signal.addEventListener('abort', () => {
          over.push(signal.aborted)
          resolve('approved')
        })
      })
    expect(await get('/', { approve, approvalTimeoutMs: 20 })).toMatchObject({
      reason: 'approval_denied',
      detail: 'nobody approved it in time',
    })
    expect(over).toEqual([true])
    await nothingPaid()
  })

  it('ends with the request', async () => {
    const gone = new AbortController()
    const approve = () => {
      gone.abort(new Error('enough'))
      return new Promise<'approved'>(() => {})
    }
    await expect(get('/', { approve }, { signal: gone.signal })).rejects.toThrow('enough')
    await nothingPaid()
  })

  it('does not lift a limit: the budget is checked before and after', async () => {
    const { shown, approve } = yes()
    await purse.setBudget({ ...NO_LIMITS, overall: { approveAboveMsat: 0n, requestMsat: 10_999n } })
    expect(await get('/', { approve })).toMatchObject({ reason: 'over_budget' })
    expect(shown).toEqual([])
    await purse.setBudget({ ...NO_LIMITS, overall: { approveAboveMsat: 0n } })
    const lowering = async () => {
      await purse.setBudget({ ...NO_LIMITS, overall: { totalMsat: 0n } })
      return 'approved' as const
    }
    expect(await get('/', { approve: lowering })).toMatchObject({ reason: 'over_budget' })
    await nothingPaid()
  })

  it('does not pay an invoice that ended while somebody thought it over', async () => {
    let now = Date.now()
    const approve = async () => {
      now += 3_600_000
      return 'approved' as const
    }
    expect(await get('/', { approve, now: () => now })).toMatchObject({
      kind: 'unpayable',
      reason: 'expired',
    })
    await nothingPaid()
  })

  it.each([
    ['a host', { hosts: { '127.0.0.1': { approveAboveMsat: 0n } } }],
    ['a task', { tasks: { nightly: { approveAboveMsat: 0n } } }],
  ] as const)('is asked for by the threshold of %s', async (_, policy) => {
    await purse.setBudget({ ...NO_LIMITS, ...policy })
    expect(await get('/', { task: 'nightly' })).toMatchObject({ reason: 'approval_required' })
  })

  it('can be asked for sooner by the caller, never later', async () => {
    expect(await get('/', { approveAboveMsat: 99_000n })).toMatchObject({ reason: 'approval_required' })
    await purse.setBudget(NO_LIMITS)
    expect(await get('/', { approveAboveMsat: 10_999n })).toMatchObject({ reason: 'approval_required' })
    expect(await get('/', { approveAboveMsat: 11_000n })).toMatchObject({ kind: 'served' })
  })

  it('is asked for once by those who want the same thing at once (C5)', async () => {
    const { shown, approve } = yes()
    const fare = buyer({ wallet, purse, approve })
    const outcomes = await Promise.all(
      Array.from({ length: 4 }, async () => fare.fetch(await prepareRequest(`${seller.origin}/forecast`))),
    )
    expect(outcomes.map(({ kind }) => kind)).toEqual(['served', 'served', 'served', 'served'])
    expect(shown).toHaveLength(1)
  })

  it('shows in a quote that somebody would be asked, and what stands against paying where nobody can be', async () => {
    const quoted = async (options: object) => {
      const outcome = await buyer({ wallet, purse, ...options }).quote(await prepareRequest(seller.origin))
      return outcome.kind === 'quote' ? outcome.quote : undefined
    }
    expect(await quoted({ approve: yes().approve })).toMatchObject({ asks: 'threshold', refusal: null })
    expect(await quoted({})).toMatchObject({ asks: 'threshold', refusal: { reason: 'approval_required' } })
    await purse.setBudget(NO_LIMITS)
    expect(await quoted({})).toMatchObject({ asks: null, refusal: null })
  })
})

describe('a hook', () => {
  it('sees every purchase before the wallet is asked, and lets it pass', async () => {
    const shown: ProposedPurchase[] = []
    const hook = async (purchase: ProposedPurchase) => {
      expect(wallet.paid).toEqual([])
      shown.push(purchase)
      return { allow: true as const }
    }
    expect(await get('/forecast', { hook })).toMatchObject({ kind: 'served' })
    expect(shown).toMatchObject([{ amountMsat: 10_000n, path: '/forecast', asks: null }])
  })

  it.each<readonly [string, () => Promise<unknown>, string]>([
    ['denies', async () => ({ allow: false, reason: 'not\u001b[2J today' }), 'denied it: not\ufffd[2J today'],
    ['throws', async () => Promise.reject(new Error('broken')), 'did not answer'],
    ['says something else', async () => ({ allow: 'yes' }), 'denied it'],
    ['says nothing', async () => undefined, 'did not answer'],
    ['falls silent', () => new Promise(() => {}), 'did not answer'],
  ])('that %s forbids the purchase', async (_, answer, detail) => {
    const hook = answer as unknown as () => Promise<{ allow: true }>
    expect(await get('/', { hook, hookTimeoutMs: 20 })).toMatchObject({
      kind: 'refused',
      reason: 'hook_denied',
      detail: `the payment hook ${detail}`,
    })
    await nothingPaid()
  })

  it('is asked before a person is', async () => {
    await purse.setBudget({ ...NO_LIMITS, overall: { approveAboveMsat: 0n } })
    const { shown, approve } = yes()
    expect(await get('/', { approve, hook: async () => ({ allow: false }) })).toMatchObject({
      reason: 'hook_denied',
    })
    expect(shown).toEqual([])
  })
})

describe('lists of hosts and payees', () => {
  it('decide who is paid', async () => {
    await purse.setBudget({ ...NO_LIMITS, hostLists: { allow: ['example.com'] } })
    expect(await get()).toMatchObject({ kind: 'refused', reason: 'host_not_allowed' })
    await purse.setBudget({ ...NO_LIMITS, payeeLists: { allow: ['02'.repeat(33)] } })
    expect(await get()).toMatchObject({ kind: 'refused', reason: 'payee_not_allowed' })
    await nothingPaid()
    const outcome = await get()
    const payee = outcome.kind === 'refused' ? (outcome.offer?.payee ?? '') : ''
    await purse.setBudget({ ...NO_LIMITS, payeeLists: { allow: [payee] } })
    expect(await get()).toMatchObject({ kind: 'served' })
  })
})

describe('the circuit breakers', () => {
  it('ask about a price far above the last one paid for the same method and path', async () => {
    await purse.setBudget({ ...NO_LIMITS, breakers: { priceJump: 2.5 } })
    seller.uses = 1
    await get('/a')
    seller.plan = { invoice: { amountMsat: 25_001n } }
    expect(await get('/a')).toMatchObject({
      kind: 'refused',
      reason: 'price_jump',
      detail: 'the price is 25001 msat, the last one paid here was 10 sat, and there is nobody to approve it',
    })
    expect(await get('/b')).toMatchObject({ kind: 'served' })
    const { shown, approve } = yes()
    seller.plan = { invoice: { amountMsat: 25_000n } }
    expect(await get('/a', { approve })).toMatchObject({ kind: 'served' })
    expect(shown).toEqual([])
    seller.plan = { invoice: { amountMsat: 62_501n } }
    expect(await get('/a', { approve })).toMatchObject({ kind: 'served' })
    expect(shown).toMatchObject([{ asks: 'price_jump', lastAmountMsat: 25_000n }])
  })

  it('ask about a jump behind a redirect, wherever it leads this time', async () => {
    await purse.setBudget({ ...NO_LIMITS, breakers: { priceJump: 5 } })
    seller.uses = 1
    let n = 0
    const { behaviour } = seller
    seller.behaviour = (received, response, self) =>
      received.url === '/jump'
        ? response.writeHead(302, { location: `/jumped/${n++}` }).end()
        : behaviour(received, response, self)
    expect(await get('/jump')).toMatchObject({ kind: 'served' })
    seller.plan = { invoice: { amountMsat: 50_001n } }
    expect(await get('/jump')).toMatchObject({ kind: 'refused', reason: 'price_jump' })
    // What was asked for by its own name has no price yet.
    expect(await get('/jumped/9')).toMatchObject({ kind: 'served' })
    // What was paid for the asked-for address itself counts as well.
    seller.plan = {}
    await get('/later')
    seller.behaviour = (received, response) =>
      received.url === '/later' ? response.writeHead(302, { location: '/elsewhere' }).end() : undefined
    seller.plan = { invoice: { amountMsat: 50_001n } }
    expect(await get('/later')).toMatchObject({ kind: 'refused', reason: 'price_jump' })
  })

  it('ask about a jump to what was dear before, and where the last payment was found by looking it up', async () => {
    await purse.setBudget({ ...NO_LIMITS, breakers: { priceJump: 5 } })
    seller.uses = 1
    seller.plan = { invoice: { amountMsat: 100_000n } }
    await get('/dear')
    seller.plan = {}
    await get('/cheap')
    const { behaviour } = seller
    let to = '/dear'
    seller.behaviour = (received, response, self) =>
      received.url === '/cheap' || received.url === '/found'
        ? response.writeHead(302, { location: to }).end()
        : behaviour(received, response, self)
    seller.plan = { invoice: { amountMsat: 100_000n } }
    expect(await get('/cheap')).toMatchObject({ kind: 'refused', reason: 'price_jump' })
    const { onPay } = wallet
    to = '/found/1'
    seller.plan = {}
    wallet.onPay = () => ({ status: 'unknown', detail: '' })
    await get('/found')
    wallet.onPay = onPay
    wallet.onLookup = (hash) => onPay({ paymentHash: decodeHex(hash) } as unknown as PayRequest)
    expect(await get('/found')).toMatchObject({ kind: 'served', purchases: [{ resumed: true }] })
    to = '/found/2'
    seller.plan = { invoice: { amountMsat: 100_000n } }
    expect(await get('/found')).toMatchObject({ kind: 'refused', reason: 'price_jump' })
  })

  it('remember the last price, and what is owed, over any number of payments that failed', async () => {
    await purse.setBudget({ ...NO_LIMITS, breakers: { priceJump: 5 } })
    seller.uses = 1
    await get('/a')
    const { onPay } = wallet
    wallet.onPay = () => ({ status: 'failed', detail: 'no route' })
    for (let i = 0; i < 70; i++) expect(await get('/a')).toMatchObject({ kind: 'payment_failed' })
    wallet.onPay = onPay
    seller.plan = { invoice: { amountMsat: 50_001n } }
    expect(await get('/a')).toMatchObject({ kind: 'refused', reason: 'price_jump' })
  })

  it('stop paying a host that took money too often and did not serve, until it is forgiven', async () => {
    await purse.setBudget({ ...NO_LIMITS, breakers: { unserved: { max: 2, seconds: 3_600 } } })
    // It takes money and asks for more.
    seller.uses = 0
    expect(await get('/a')).toMatchObject({ kind: 'not_served' })
    expect(await get('/b')).toMatchObject({ kind: 'not_served' })
    expect(await get('/c')).toMatchObject({ kind: 'refused', reason: 'host_suspended' })
    expect(wallet.paid).toHaveLength(2)
    seller.uses = 1
    await purse.forgive('127.0.0.1')
    expect(await get('/d')).toMatchObject({ kind: 'served' })
  })
})
