import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanUp, newFolder, type Program, run, start } from './program.ts'

let gateway: Program
beforeAll(async () => {
  gateway = await start({
    routes: [
      '{ match: "/forecast/*", price: 10 sat, grants: { calls: 50 } }',
      '{ match: "POST /posted", price: 10 sat }',
      '{ match: /free, free: true }',
    ],
  })
})
afterAll(cleanUp)

describe('turnpike doctor', () => {
  it('finds nothing wrong with the gateway, paid or not, in words and as JSON', async () => {
    const folder = newFolder()
    writeFileSync(join(folder, 'wallet.yaml'), `backend: sandbox\nurl: ${gateway.admin}\n`)
    const plain = await run(folder, ['doctor', `${gateway.url}/forecast/oslo`])
    expect(plain.err).toBe('')
    expect(plain.code).toBe(0)
    expect(plain.out).toContain('offers 10 sat on regtest; nothing was paid')
    expect(plain.out).toMatch(/lnget +yes/)
    expect(plain.out).toContain('Nothing is wrong.')
    const paid = await run(folder, [
      'doctor',
      `${gateway.url}/forecast/oslo`,
      '--pay',
      '10 sat',
      '--wallet',
      'wallet.yaml',
      '--json',
    ])
    expect(paid.code).toBe(0)
    expect(JSON.parse(paid.out)).toMatchObject({ findings: [], paid: { amountMsat: 10_000 } })
  })

  it('finds nothing wrong with a route that sells POST alone', async () => {
    const posted = await run(newFolder(), ['doctor', `${gateway.url}/posted`, '-X', 'POST'])
    expect([posted.code, posted.out]).toEqual([0, expect.stringContaining('Nothing is wrong.')])
  })

  it('ends with 1 for what sells nothing, and with 69 for what does not answer', async () => {
    const folder = newFolder()
    const free = await run(folder, ['doctor', `${gateway.url}/free`])
    expect(free.code).toBe(1)
    expect(free.out).toContain('error (S1): an unpaid request is answered 404, not 402')
    const nobody = await run(folder, ['doctor', 'http://127.0.0.1:1/x'])
    expect([nobody.code, nobody.err]).toEqual([
      69,
      'turnpike doctor: 127.0.0.1:1 cannot be asked: ECONNREFUSED\n',
    ])
  })

  it.each([
    [[], 64, 'expected a URL'],
    [['ftp://a'], 64, 'expected a URL'],
    [['http://a', '-X', 'GE T'], 64, 'invalid method: expected an HTTP method such as GET'],
    [['http://alice:hunter2@a/x'], 64, 'invalid url: expected no user and password in it'],
    [['http://a', '--pay', 'x'], 64, '--pay: '],
    [['http://a', '--wallet', 'x'], 64, '--wallet pays nothing without --pay AMOUNT'],
    [['http://a', '--timeout', '0'], 64, '--timeout: expected whole seconds from 1, got "0"'],
    [['http://a', '--pay', '1 sat', '--wallet', 'none.yaml'], 78, 'none.yaml cannot be read (ENOENT)'],
    [
      ['http://a', '--pay', '1 sat', '--wallet', 'turnpike.yaml'],
      78,
      'expected "backend:" with the name of a wallet',
    ],
  ] as const)('says what was expected: %j', async (args, code, message) => {
    const ended = await run(gateway.folder, ['doctor', ...args])
    expect([ended.code, ended.out]).toEqual([code, ''])
    expect(ended.err).toContain(message)
    expect(ended.err).not.toContain('hunter2')
  })
})
