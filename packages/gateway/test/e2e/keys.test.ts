import { appendFileSync, chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, until } from './client.ts'
import { buy, cleanUp, configOf, folderWith, MASTER_KEY, type Program, run, serve } from './program.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

afterEach(async () => {
  await cleanUp()
  await closeUpstreams()
})

const routes = [
  '{ match: "/pass/*", price: 10 sat, grants: { valid: 1h } }',
  '{ match: /bundle, price: 1 sat, grants: { calls: 5 } }',
]

/** The configuration of a seller of these, with an upstream. */
const selling = async (): Promise<string> => configOf({ routes, upstream: (await startUpstream()).origin })

const status = async (gateway: Program, path: string, authorization: string): Promise<number> =>
  (await ask(gateway.url, 'GET', path, { headers: { Authorization: authorization } })).status

async function reload(gateway: Program): Promise<void> {
  const before = gateway.output().length
  gateway.signal('SIGHUP')
  await until(
    () => /reloaded|stays in force/.test(gateway.output().slice(before)),
    'it has read the files again',
  )
}

describe('master keys', () => {
  it('rotate at HUP: the new one mints, what was sold goes on opening; retired it does not', async () => {
    const folder = folderWith(await selling())
    const gateway = await serve(folder)
    const old = await buy(gateway, '/pass/x')
    const rotated = await run(folder, ['keys', 'rotate'])
    const id = rotated.out.trim()
    expect(rotated).toMatchObject({ code: 0, err: expect.stringContaining('testkey goes on opening') })
    expect(id).toMatch(/^[0-9a-f]{12}$/)
    await reload(gateway)
    const fresh = await buy(gateway, '/pass/x')
    expect(await status(gateway, '/pass/x', old.authorization)).toBe(200)
    expect(await status(gateway, '/pass/x', fresh.authorization)).toBe(200)

    expect((await run(folder, ['keys', 'retire', 'testkey'])).code).toBe(1)
    expect((await run(folder, ['keys', 'retire', 'testkey', '--yes'])).code).toBe(0)
    expect(await status(gateway, '/pass/x', old.authorization)).toBe(200)
    await reload(gateway)
    const refused = await ask(gateway.url, 'GET', '/pass/x', {
      headers: { Authorization: old.authorization },
    })
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([402, 'bad_signature'])
    expect(await status(gateway, '/pass/x', fresh.authorization)).toBe(200)

    const list = JSON.parse((await run(folder, ['keys', 'list', '--json'])).out)
    expect(list).toEqual([
      { id: 'testkey', created: '2026-01-31T12:00:00Z', state: 'retired', source: 'turnpike.key' },
      { id, created: expect.any(String), state: 'mints', source: 'turnpike.key' },
    ])
    const shown = await run(folder, ['keys', 'list'])
    expect(shown.out).toMatch(
      /^ID +CREATED +STATE +FILE\ntestkey +2026-01-31T12:00:00Z +retired +turnpike\.key\n/,
    )
    expect(shown.out + shown.err).not.toContain(MASTER_KEY.toString('base64').slice(0, 12))
    expect(statSync(join(folder, 'turnpike.key')).mode & 0o777).toBe(0o600)
  })

  it('that cannot be read leave the old ones in force, and say why', async () => {
    const folder = folderWith(await selling())
    const gateway = await serve(folder)
    const { authorization } = await buy(gateway, '/pass/x')
    appendFileSync(join(folder, 'turnpike.key'), 'not a key\n')
    await reload(gateway)
    expect(gateway.output()).toContain('the old one stays in force')
    expect(await status(gateway, '/pass/x', authorization)).toBe(200)
  })

  it('are retired one at a time, never the last, and only those that are there', async () => {
    const folder = folderWith(await selling())
    const file = join(folder, 'turnpike.key')
    const before = readFileSync(file, 'utf8')
    const last = await run(folder, ['keys', 'retire', 'testkey', '--yes'])
    expect(last).toMatchObject({ code: 1, err: expect.stringContaining('the last key in use') })
    const unknown = await run(folder, ['keys', 'retire', 'testkez', '--yes'])
    expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining('Did you mean "testkey"?') })
    await run(folder, ['keys', 'rotate'])
    writeFileSync(`${file}.lock`, '')
    for (const args of [
      ['keys', 'retire', 'testkey', '--yes'],
      ['keys', 'rotate'],
    ])
      expect(await run(folder, args)).toMatchObject({ code: 1, err: expect.stringContaining('.lock') })
    expect(readFileSync(file, 'utf8').startsWith(before)).toBe(true)
  })
})

describe('turnpike tokens revoke', () => {
  async function shop(): Promise<{ folder: string; gateway: Program }> {
    const config = (await selling()).replace(
      'admin: { listen: 127.0.0.1:0 }',
      'admin: { listen: 127.0.0.1:0, tokenFile: admin.token }',
    )
    const folder = folderWith(config)
    writeFileSync(join(folder, 'admin.token'), `${'a1'.repeat(20)}\n`, { mode: 0o600 })
    return { folder, gateway: await serve(folder) }
  }

  it('takes effect on the next request, for all copies, and outlives the gateway', async () => {
    const { folder, gateway } = await shop()
    const pass = await buy(gateway, '/pass/x')
    const bundle = await buy(gateway, '/bundle')
    const other = await buy(gateway, '/pass/x')
    expect(await status(gateway, '/pass/x', pass.authorization)).toBe(200)
    const revoke = (...args: string[]) => run(folder, ['tokens', 'revoke', ...args, '--admin', gateway.admin])
    expect(await revoke(pass.tokenId)).toMatchObject({ code: 0, out: `revoked ${pass.tokenId}\n` })
    expect((await revoke(bundle.paymentHash.toUpperCase(), '--payment-hash')).code).toBe(0)
    for (const [path, { authorization }] of [
      ['/pass/x', pass],
      ['/bundle', bundle],
    ] as const) {
      const refused = await ask(gateway.url, 'GET', path, { headers: { Authorization: authorization } })
      expect([refused.status, JSON.parse(refused.body).code]).toEqual([402, 'revoked'])
    }
    expect(await status(gateway, '/pass/x', other.authorization)).toBe(200)
    await gateway.kill()
    const again = await serve(folder)
    expect(await status(again, '/pass/x', pass.authorization)).toBe(402)
    expect(await status(again, '/pass/x', other.authorization)).toBe(200)
    const gone = await run(folder, ['tokens', 'revoke', pass.tokenId, '--admin', gateway.admin])
    expect(gone).toMatchObject({ code: 69, err: expect.stringContaining('no gateway answers') })
  })

  it('is for whoever has the token, and not for web pages', async () => {
    const { folder, gateway } = await shop()
    const token = `Bearer ${'a1'.repeat(20)}`
    const body = JSON.stringify({ tokenId: 'ab'.repeat(32) })
    const post = async (headers: Record<string, string>, text = body) =>
      (await ask(gateway.admin, 'POST', '/api/v1/revocations', { headers, body: text })).status
    expect(await post({})).toBe(401)
    expect(await post({ Authorization: `${token}x` })).toBe(401)
    expect(await post({ Authorization: token, Origin: 'http://127.0.0.1' })).toBe(403)
    for (const wrong of [
      '',
      '{}',
      '[]',
      '{"tokenId":"ab"}',
      `{"tokenId":"${'ab'.repeat(32)}","paymentHash":"x"}`,
    ])
      expect(await post({ Authorization: token }, wrong)).toBe(400)
    expect(await post({ Authorization: token })).toBe(201)
    expect(
      (await ask(gateway.url, 'POST', '/api/v1/revocations', { headers: { Authorization: token }, body }))
        .status,
    ).toBe(404)
    expect(
      (await ask(gateway.admin, 'GET', '/api/v1/revocations', { headers: { Authorization: token } })).status,
    ).toBe(405)
    chmodSync(join(folder, 'admin.token'), 0o644)
    const open = await run(folder, ['tokens', 'revoke', 'ab'.repeat(32), '--admin', gateway.admin])
    expect(open).toMatchObject({ code: 78, err: expect.stringContaining('expected 0600') })
    expect((await run(folder, ['serve'])).code).toBe(78)
  })
})
