import { describe, expect, it } from 'vitest'
import {
  freshKey,
  freshRedemption,
  request,
  reserved,
  use,
  usedOf,
} from '../packages/l402/src/stores/ledger-contract.test-suite.ts'
import { Batch, type Write } from '../packages/l402/src/stores/redis/batch.ts'
import { redisStore } from '../packages/l402/src/stores/redis/index.ts'
import { ledgerKeys } from '../packages/l402/src/stores/redis/keys.ts'
import { dial, type Link, loadDriver, textOf } from '../packages/l402/src/stores/redis/link.ts'
import { releaseOp, reserveOp } from '../packages/l402/src/stores/redis/operations.ts'
import { batchScript, openScript } from '../packages/l402/src/stores/redis/scripts.ts'
import { readRedisUrl } from '../packages/l402/src/stores/redis/target.ts'
import { hasRedis } from './lib/redis.ts'
import { redisSuite } from './lib/redis-suite.ts'
import { version1Books } from './lib/redis-version-1.ts'

const title = hasRedis ? 'books on Redis' : 'SKIPPED: redis-server is not installed'
const gone = { code: 'store_unavailable' }
const bytes = (n: number): Uint8Array => new Uint8Array(32).fill(n)

describe.skipIf(!hasRedis)(title, () => {
  const suite = redisSuite('books')
  const { fresh, reopen, works, count, reservations } = suite

  const dialed = async (): Promise<Link> =>
    dial(await loadDriver(), readRedisUrl(suite.server.url), { timeoutMs: 1_000, onDown: () => {} })

  /** A call of the script as another program may make it; answers its status, and what comes next. */
  const call = async (
    link: Link,
    {
      version = '2',
      seq = 1,
      acked = 0,
      write,
    }: { version?: string; seq?: number; acked?: number; write?: Write },
  ): Promise<string> => {
    const owner = 'a'.repeat(16)
    const batch = new Batch(owner)
    write?.(batch)
    const head = [version, 'books', owner, String(seq), String(acked), '0', '0', 'nobody']
    const keys = [...ledgerKeys(suite.prefix), ...batch.keys(suite.prefix)]
    const [status, more] = await link.run(batchScript, keys, [...head, ...batch.args()])
    return textOf(status) === 'version' ? `version ${textOf(more)}` : textOf(status)
  }

  /** Books named as `call` names them. */
  const named = async (): Promise<Link> => {
    await fresh().then((ledger) => ledger.close())
    const keys = suite.server.cli('KEYS', `{${suite.prefix}}:*`).split('\n')
    suite.server.cli('DEL', ...keys)
    const link = await dialed()
    await link.run(openScript, ledgerKeys(suite.prefix), ['2', 'books'])
    return link
  }

  it('get a call of a broken connection after those of the next: it is not executed', async () => {
    const link = await named()
    const key = freshKey()
    const say = reserveOp(request(use(key, 10n)))
    const write: Write = (batch) => say(batch, 1n, true)
    expect(await call(link, { seq: 1 })).toBe('ok')
    expect(await call(link, { seq: 3, write: releaseOp(1n) })).toBe('ok')
    expect(await call(link, { seq: 2, write })).toBe('late')
    expect(await call(link, { seq: 3, write })).toBe('late')
    link.drop()
    const ledger = await reopen()
    expect(await usedOf(ledger, key)).toBe(0n)
    expect(reservations()).toBe(0)
  })

  it('older than what their owner knows end the owner', async () => {
    const link = await named()
    expect(await call(link, { seq: 1 })).toBe('ok')
    expect(await call(link, { seq: 5, acked: 4 })).toBe('lapsed')
    expect(await call(link, { seq: 5, acked: 1 })).toBe('ok')
    link.drop()
  })

  it('of version 1 are brought to version 2: what was served counts, what was only reserved is given back', async () => {
    await fresh().then((ledger) => ledger.close())
    suite.server.cli('DEL', ...suite.server.cli('KEYS', `{${suite.prefix}}:*`).split('\n'))
    suite.server.feed(version1Books(suite.prefix))
    expect(count('reservations')).toBe(2)
    const [ledger, other] = await Promise.all([reopen(), reopen()])
    const expected = [{ used: 9n }, { used: 9_223_372_036_854_775_003n }, { used: 0n }]
    expect(await ledger.read([1, 2, 3].map(bytes))).toEqual(expected)
    expect(suite.server.cli('HGET', `{${suite.prefix}}:meta`, 'version')).toBe('2')
    expect(suite.server.cli('EXISTS', `{${suite.prefix}}:reservations`)).toBe('0')
    expect(count('owners')).toBe(2)
    // A payment that was recorded is not credited again.
    const known = freshRedemption({ paymentHash: bytes(1), tokenId: bytes(101) })
    expect(await ledger.credit(known, 5n)).toBe(false)
    expect(await other.credit({ ...known, paymentHash: bytes(3) }, 5n)).toBe(true)
    expect(ledger.isRevoked(freshRedemption({ tokenId: bytes(120) }))).toBe(true)
    expect(ledger.isRevoked(freshRedemption({ paymentHash: bytes(21) }))).toBe(true)
    await ledger.commit((await reserved(ledger, use(bytes(1), 10n))).id)
    expect(await other.reserve(request(use(bytes(1), 10n)))).toEqual({ ok: false, failed: 0 })
    const third = await reopen()
    expect(await usedOf(third, bytes(1))).toBe(10n)
  })

  it('of version 1 stay as they are on a server that takes no writes', async () => {
    await fresh().then((ledger) => ledger.close())
    suite.server.cli('DEL', ...suite.server.cli('KEYS', `{${suite.prefix}}:*`).split('\n'))
    suite.server.feed(version1Books(suite.prefix))
    suite.server.cli('CONFIG', 'SET', 'maxmemory', '1')
    await expect(reopen()).rejects.toMatchObject({ ...gone, message: expect.stringContaining('(OOM)') })
    suite.server.cli('CONFIG', 'SET', 'maxmemory', '0')
    expect(suite.server.cli('HGET', `{${suite.prefix}}:meta`, 'version')).toBe('1')
    expect(count('reservations')).toBe(2)
    const ledger = await reopen()
    expect(await usedOf(ledger, bytes(1))).toBe(9n)
  })

  it('tell a program of version 1 that they are newer, before it does anything', async () => {
    const link = await named()
    expect(await call(link, { version: '1', write: (batch) => batch.add('never read') })).toBe('version 2')
    link.drop()
  })

  it('of a newer version, or none, are refused, also when it comes to pass while they are open', async () => {
    const ledger = await fresh()
    const meta = `{${suite.prefix}}:meta`
    suite.server.cli('HSET', meta, 'version', '3')
    const newer = { code: 'store_incompatible', details: { version: 3, known: 2 } }
    await expect(reopen()).rejects.toMatchObject(newer)
    await expect(ledger.ping()).rejects.toMatchObject(newer)
    await expect(ledger.prune()).rejects.toMatchObject(newer)
    suite.server.cli('HSET', meta, 'version', '2')
    await ledger.ping()
    for (const [name, ...command] of [
      ['foreign-1', 'SET', '{foreign-1}:meta', 'x'],
      ['foreign-2', 'SET', '{foreign-2}:counters', 'x'],
      ['foreign-3', 'SET', '{foreign-3}:answers', 'x'],
    ]) {
      suite.server.cli(...command)
      await expect(redisStore({ url: suite.server.url, prefix: name ?? '' })).rejects.toMatchObject({
        code: 'store_incompatible',
        message: expect.stringContaining('of another program'),
      })
    }
  })

  it('that are lost while they are open make nothing free', async () => {
    const ledger = await fresh()
    const key = freshKey()
    await reserved(ledger, use(key, 1n))
    const keys = suite.server.cli('KEYS', `{${suite.prefix}}:*`).split('\n')
    for (const name of keys) suite.server.cli('RENAME', name, `away-${name}`)
    const fault = { ...gone, message: expect.stringContaining('are gone or are not those') }
    await expect(ledger.reserve(request(use(key, 1n)))).rejects.toMatchObject(fault)
    await expect(ledger.prune()).rejects.toMatchObject(fault)
    const others = await reopen()
    await expect(ledger.ping()).rejects.toMatchObject(fault)
    await others.close()
    for (const name of keys) suite.server.cli('RENAME', `away-${name}`, name)
    await works(ledger)
    expect(await ledger.reserve(request(use(key, 1n)))).toEqual({ ok: false, failed: 0 })
  })

  it('restored from an older copy while they are open: what was held is refused, and nothing stays reserved', async () => {
    const warnings: string[] = []
    const ledger = await fresh({ pollMs: 100, leaseMs: 400, onWarning: (warning) => warnings.push(warning) })
    const payer = freshRedemption()
    const draw = { key: payer.tokenId, limit: 'credited', amount: 10n, metered: true } as const
    const hold = async (): Promise<bigint> => {
      const outcome = await ledger.reserve({ redemption: payer, uses: [draw] })
      if (!outcome.ok) throw new Error('no room')
      return outcome.id
    }
    await ledger.credit(payer, 100n)
    const claim = { key: freshKey(), digest: freshKey(), untilMs: Date.now() + 60_000 }
    await ledger.claim(claim)
    const before = await hold()
    const goBack = await suite.server.backUp()
    await works(ledger)
    const since = await hold()
    await ledger.commit(before, 25n)
    await ledger.answer(claim.key, bytes(1))
    const topUp = { ...payer, paymentHash: freshKey() }
    await ledger.credit(topUp, 50n)
    await ledger.revoke({ paymentHash: payer.paymentHash })
    await goBack()
    await works(ledger)
    // Whatever was reserved since is not there to be served; what was reserved before is this process's no more.
    await expect(ledger.serve(since)).rejects.toMatchObject(gone)
    await expect(ledger.draw(since, 12n)).rejects.toMatchObject(gone)
    await Promise.all([ledger.commit(since, 12n), ledger.release(since)])
    expect(warnings).toEqual([expect.stringContaining('has lost its newest data')])
    await expect
      .poll(() => ledger.read([payer.tokenId]), { timeout: 10_000 })
      .toEqual([{ used: 0n, credited: 100n, lost: 0n }])
    expect(reservations()).toBe(0)
    // A payment that the books have forgotten can be credited again; one they know cannot.
    expect(await ledger.credit(topUp, 50n)).toBe(true)
    expect(await ledger.credit(payer, 100n)).toBe(false)
    // Its claim is nobody's, and may be made again.
    expect(await ledger.claim(claim)).toEqual({ state: 'claimed' })
    // What was revoked stays so here.
    expect(ledger.isRevoked(payer)).toBe(true)
  })

  it('take no wrong password, and no error repeats it', async () => {
    const { url } = suite.server
    suite.server.cli('ACL', 'SETUSER', 'seller', 'on', '>right-secret', '~*', '&*', '+@all')
    const withUser = (password: string): string => url.replace('//', `//seller:${password}@`)
    const fault: unknown = await redisStore({ url: withUser('wrong-secret') }).catch(
      (error: unknown) => error,
    )
    expect(fault).toMatchObject({ ...gone, message: expect.stringContaining('(WRONGPASS)') })
    expect(JSON.stringify([String(fault), (fault as Error).stack, (fault as Error).cause])).not.toContain(
      'secret',
    )
    const ledger = await fresh({ url: withUser('right-secret') })
    await ledger.ping()
  })

  it('are opened with a warning of what may be lost', async () => {
    const { server } = suite
    const warned = async (): Promise<string> => {
      const warnings: string[] = []
      await fresh({ onWarning: (warning) => warnings.push(warning) })
      return warnings.join('\n')
    }
    expect(await warned()).toBe('')
    server.cli('CONFIG', 'SET', 'appendfsync', 'everysec')
    expect(await warned()).toMatch(/^Redis runs with "appendfsync everysec".*the last second/)
    server.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    server.cli('CONFIG', 'SET', 'appendonly', 'no')
    expect(await warned()).toMatch(
      /^Redis runs without an append-only file.*\n.*"maxmemory-policy allkeys-lru".*what was used can be used again/,
    )
    server.cli('ACL', 'SETUSER', 'seller', 'on', '>pw', '~*', '&*', '+@all', '-config')
    const warnings: string[] = []
    const url = server.url.replace('//', '//seller:pw@')
    await fresh({ url, onWarning: (warning) => warnings.push(warning) })
    expect(warnings[0]).toMatch(/^Redis runs without an append-only file/)
    server.cli('CONFIG', 'SET', 'appendonly', 'yes')
    server.cli('CONFIG', 'SET', 'appendfsync', 'always')
    server.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  })
})
