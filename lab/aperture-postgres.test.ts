/** Aperture's `secrets` table in a real PostgreSQL (protocol §4, stored root keys), with its own definition of it. */

import { describe, expect, it } from 'vitest'
import { apertureSecrets } from '../packages/l402/src/stores/aperture/index.ts'
import { databaseOf, faultOf, programs, server } from './lib/postgres-suite.ts'

const TABLE = `CREATE TABLE secrets (
  id BIGINT PRIMARY KEY, hash BYTEA NOT NULL UNIQUE, secret BYTEA NOT NULL UNIQUE, created_at TIMESTAMP NOT NULL)`
const hash = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const bytea = (n: number, length = 32): string => `'\\x${n.toString(16).padStart(2, '0').repeat(length)}'`
const title = programs === undefined ? 'SKIPPED: PostgreSQL is not installed' : 'an Aperture on PostgreSQL'

describe.skipIf(programs === undefined)(title, () => {
  it('has its root keys read by a user who may read that table alone', async () => {
    const url = server.url()
    const put = (id: number, key: string, secret: string): string =>
      server.sql(databaseOf(url), `INSERT INTO secrets VALUES (${id}, ${key}, ${secret}, now())`)
    server.sql(databaseOf(url), `${TABLE}; GRANT SELECT ON secrets TO turnpike`)
    put(1, bytea(1), bytea(9))
    put(2, bytea(2), bytea(8, 31))
    const stored = await apertureSecrets({ url })
    expect(await stored.rootKey(hash(1))).toEqual(hash(9))
    expect([await stored.rootKey(hash(2)), await stored.rootKey(hash(3))]).toEqual([undefined, undefined])
    put(3, bytea(3), bytea(7))
    expect(await stored.rootKey(hash(3))).toEqual(hash(7))
    expect(await Promise.all(Array.from({ length: 40 }, () => stored.rootKey(hash(1))))).toHaveLength(40)
    // Nothing here has heard of it when the next key is asked for: every connection is a dead one.
    for (const mode of ['fast', 'immediate'] as const) {
      server.stop(mode)
      server.start()
      const again = await Promise.all(Array.from({ length: 40 }, () => stored.rootKey(hash(1))))
      expect(again).toEqual(Array.from({ length: 40 }, () => hash(9)))
    }
    server.stop('fast')
    expect(await faultOf(stored.rootKey(hash(1)))).toMatchObject({ code: 'store_unavailable' })
    server.start()
    expect(await stored.rootKey(hash(1))).toEqual(hash(9))
    await stored.close()
    await stored.close()
  })

  it('is told from another program, and no fault says the password', async () => {
    const url = server.url()
    expect(await faultOf(apertureSecrets({ url }))).toMatchObject({ code: 'store_incompatible' })
    server.sql(databaseOf(url), 'CREATE TABLE secrets (name text); GRANT SELECT ON secrets TO turnpike')
    expect(await faultOf(apertureSecrets({ url }))).toMatchObject({ code: 'store_incompatible' })
    const wrong = url.replace(/:[^:@/]+@/, ':another-password@')
    expect(await faultOf(apertureSecrets({ url: wrong }))).toMatchObject({ code: 'store_unavailable' })
  })
})
