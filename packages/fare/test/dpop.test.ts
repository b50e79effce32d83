import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { formatCredential } from '@turnpike/l402'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

describe('a seller that binds its credentials to a key (RFC 9449)', () => {
  it('sells one to a key of the purse; the next process proves it, and nobody else can use it', async () => {
    const buyer = newBuyer(gateway.admin)
    expect(await buyer.report(`${gateway.url}/bound/x`)).toMatchObject({ ok: true, paid: true })
    const again = await buyer.report('--no-pay', `${gateway.url}/bound/y?q=1`)
    // The sample API has no such path: 404 is the resource's own word, behind the gate.
    const served = { ok: true, paid: false, reused: true, status: 404 }
    expect(again).toMatchObject(served)
    expect(await buyer.report('--no-pay', '-I', `${gateway.url}/bound/y`)).toMatchObject(served)
    const posted = ['--no-pay', '-X', 'POST', '-d', 'x', `${gateway.url}/bound/z`]
    expect(await buyer.report(...posted)).toMatchObject(served)
    const [credential] = await buyer.inPurse((purse) => purse.credentials())
    if (!credential) throw new Error('nothing was bought')
    const authorization = formatCredential(credential.macaroon, credential.preimage)
    const stolen = await fetch(`${gateway.url}/bound/y`, { headers: { authorization } })
    expect(stolen.status).toBe(402)
    expect(await stolen.json()).toMatchObject({ code: 'caveat_failed', condition: 'dpop_jkt' })
  })

  it('is quoted as it is sold: what is bought at a quoted price is bound too, whatever the limits were then', async () => {
    const buyer = newBuyer(gateway.admin)
    const url = `${gateway.url}/bound/x`
    const quoted = JSON.parse((await buyer.fare('quote', '--json', '--max', '1sat', url)).out)
    expect(quoted).toMatchObject({ wouldPay: false })
    expect(quoted.caveats).toContainEqual(expect.stringMatching(/^dpop_jkt=/))
    expect(await buyer.report('--quote', quoted.id)).toMatchObject({ ok: true, paid: true })
    expect(await buyer.report('--no-pay', url)).toMatchObject({ ok: true, paid: false, reused: true })
    expect(await buyer.inPurse((purse) => purse.payments(10))).toHaveLength(1)
  })

  it('leaves one key behind, however many prices are asked for, and another one to each purchase', async () => {
    const buyer = newBuyer(gateway.admin)
    const keyOf = (caveats: readonly string[]) => caveats.find((one) => one.startsWith('dpop_jkt='))
    const quote = async () =>
      JSON.parse((await buyer.fare('quote', '--json', `${gateway.url}/bound/x`)).out) as {
        id: string
        caveats: string[]
      }
    const [first, second] = [await quote(), await quote()]
    expect(keyOf(first.caveats)).toMatch(/./)
    expect(keyOf(second.caveats)).toBe(keyOf(first.caveats))
    const keys = () =>
      new DatabaseSync(join(buyer.home, 'purse.db'), { readOnly: true })
        .prepare("SELECT count(*) AS n FROM notes WHERE name LIKE 'dpop key %'")
        .get()
    expect(keys()).toEqual({ n: 1 })
    expect(await buyer.report('--quote', second.id)).toMatchObject({ ok: true, paid: true })
    const third = await quote()
    expect(keyOf(third.caveats)).not.toBe(keyOf(first.caveats))
    expect(keyOf((await quote()).caveats)).toBe(keyOf(third.caveats))
    expect(keys()).toEqual({ n: 2 })
    // What was bought first opens with its own key.
    expect(await buyer.report('--no-pay', `${gateway.url}/bound/x`)).toMatchObject({ ok: true, reused: true })
  })

  it('is told apart from the rest: no proof goes where none is asked for', async () => {
    const plain = await fetch(`${gateway.url}/forecast/x`)
    expect(plain.headers.get('www-authenticate')).not.toContain('DPoP')
    await plain.body?.cancel()
    const bound = await fetch(`${gateway.url}/bound/x`)
    expect(bound.headers.get('www-authenticate')).toMatch(/^L402 .*, DPoP algs="ES256"$/)
    await bound.body?.cancel()
  })

  it('has no copies handed out: they would open for nobody', async () => {
    const buyer = newBuyer(gateway.admin)
    expect((await buyer.fare(`${gateway.url}/bound/x`)).code).toBe(0)
    const [credential] = await buyer.inPurse((purse) => purse.credentials())
    const made = await buyer.run(['tokens', 'attenuate', credential?.id ?? '', '--until', '1m'])
    expect(made).toMatchObject({ code: 3, err: expect.stringContaining('bound to a key') })
  })
})
