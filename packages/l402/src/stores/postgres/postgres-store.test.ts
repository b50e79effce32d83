import { createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { request, use } from '../ledger-contract.test-suite.ts'
import { buildBatch } from './batch.ts'
import { postgresStore } from './index.ts'
import { metersToHex, usesFromHex, usesOf, usesToHex } from './uses.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A server that takes connections and treats them as it likes. Answers its port. */
async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  closers.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await new Promise((resolve) => {
    server.once('listening', resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

const faultOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('postgresStore without a server', () => {
  it.each([
    [
      'that nobody listens on',
      async () => 1,
      /127\.0\.0\.1:1\/books could not be reached: connect ECONNREFUSED/,
    ],
    ['where nothing answers', () => listen(() => {}), /could not be reached: timeout expired$/],
    ['that hangs up', () => listen((socket) => socket.destroy()), /could not be reached: /],
    [
      'of another program',
      () => listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      /could not be reached: /,
    ],
  ])('throws store_unavailable in bounded time for a port %s', async (_, portOf, message) => {
    const url = `postgres://turnpike:hush@127.0.0.1:${await portOf()}/books`
    const fault = await faultOf(postgresStore({ url, timeoutMs: 200 }))
    expect(fault).toMatchObject({ code: 'store_unavailable', message: expect.stringMatching(message) })
    expect(`${JSON.stringify(fault)}${String((fault as Error).stack)}`).not.toContain('hush')
  })

  it('never repeats an address that cannot be read', async () => {
    for (const url of ['postgres://u:hu%sh@h/x', 'postgres://u:hush@h:port/x']) {
      const fault = await faultOf(postgresStore({ url }))
      expect(fault).toMatchObject({ code: 'store_unavailable' })
      expect(`${JSON.stringify(fault)}${String((fault as Error).stack)}`).not.toMatch(/hush|hu%sh/)
    }
  })

  it.each(['', 'Turnpike', 'a"b', 'pg_mine', '1st', 'a'.repeat(49)])(
    'refuses the schema name %j',
    async (schema) => {
      await expect(postgresStore({ host: '127.0.0.1', port: 1, schema })).rejects.toThrow(RangeError)
    },
  )
})

describe('a batch', () => {
  const end = { resolve(): void {}, reject(): void {} }
  const context = {
    owner: 7n,
    nowMs: 5,
    takeId: () => 70n,
    usesOf: () => undefined,
    isRecorded: () => false,
  }

  it('names counters in ascending order, once each', () => {
    const [low, high] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(200)]
    const wanted = request(use(high, 5n), use(low, 5n), use(high, 5n))
    const { values } = buildBatch([{ do: 'reserve', request: wanted, uses: usesOf(wanted), ...end }], context)
    expect(values[7]).toBe(`{"\\\\x${'01'.repeat(32)}","\\\\x${'c8'.repeat(32)}"}`)
    expect(values[20]).toBe('{2,1,2}')
  })

  it('holds the first end of each reservation, and what was served before it', () => {
    const calls = (
      [
        ['serve', 1n],
        ['commit', 1n],
        ['release', 1n],
        ['release', 2n],
        ['serve', 2n],
        ['serve', 3n],
      ] as const
    ).map(([what, id]) => ({ do: what, id, ...end }))
    const { values, ended, late } = buildBatch(calls, context)
    expect(values.slice(3, 6)).toEqual(['{1}', '{1,3}', '{2}'])
    expect(ended).toEqual([1n, 2n])
    expect([...late]).toEqual([calls[4]])
  })

  it('keeps uses to the last bit', () => {
    const most = 2n ** 63n - 1n
    const uses = usesOf(request(use(new Uint8Array(32).fill(9), most, most), use(new Uint8Array(32), 9n, 3n)))
    expect(usesFromHex(usesToHex(uses), metersToHex(uses))).toEqual(
      uses.map((each) => ({ ...each, room: 0n })),
    )
  })
})
