import { request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { answerOf, type Bench } from '../../test/matrix.ts'

const PIECES: readonly string[] = ['x'.repeat(1_000), 'y'.repeat(2_000), 'z'.repeat(500)]

interface Sent {
  readonly status: number
  readonly body: string
}

/** What is sent; to `/upload` if no path is given. */
interface Unstated {
  readonly lines: readonly string[]
  readonly pieces?: readonly string[]
  readonly path?: string
}

/** Sends a body whose length is not stated: in chunks, and over HTTP/2 as it comes. */
export async function sendUnstated(
  { port }: Bench,
  { lines, pieces = PIECES, path = '/upload' }: Unstated,
): Promise<Sent> {
  const headers = ['Host', 'api.example', 'Transfer-Encoding', 'chunked', ...lines]
  const req = httpRequest({
    ...{ host: '127.0.0.1', port, method: 'POST', path },
    ...{ agent: false, headers },
  })
  const answer = answerOf(req)
  for (const piece of pieces)
    await Promise.race([answer, new Promise((resolve) => req.write(piece, resolve))])
  req.end()
  const res = await answer
  const body = await text(res)
  return { status: res.statusCode ?? 0, body }
}

/** What a request's body costs, for every adapter: 1 msat for ten bytes, 100 held. `counts`: also a body of unstated length. */
export function itChargesRequestBytes(bench: () => Bench, counts: boolean): void {
  it('charges the bytes of a request whose length is stated', async () => {
    const self = bench()
    const credential = await self.buy('POST', '/upload')
    const headers = ['Authorization', credential]
    const body = PIECES.join('')
    expect(await self.send('POST', '/upload', { headers, body })).toMatchObject({
      status: 200,
      body: 'got 3500',
    })
    await expect.poll(async () => (await self.used(credential))?.used).toBe(350n)
    expect((await self.send('POST', '/upload', { headers, body: '' })).status).toBe(200)
    await expect.poll(async () => (await self.used(credential))?.used).toBe(350n)
  })

  if (counts)
    it('charges the bytes of a request whose length is not stated', async () => {
      const self = bench()
      const credential = await self.buy('POST', '/upload')
      const lines = ['Authorization', credential]
      expect(await sendUnstated(self, { lines })).toEqual({ status: 200, body: 'got 3500' })
      await expect.poll(async () => (await self.used(credential))?.used).toBe(350n)
      const large = Array.from({ length: 10 }, () => 'x'.repeat(30_000))
      expect(await sendUnstated(self, { lines, pieces: large })).toEqual({ status: 200, body: 'got 300000' })
      await expect.poll(async () => (await self.used(credential))?.used).toBe(30_350n)
    })
  else
    it('asks for the length of a request, paid or not, whose bytes it could not charge', async () => {
      const self = bench()
      const credential = await self.buy('POST', '/upload')
      const before = self.runs
      for (const lines of [[], ['Authorization', credential]]) {
        const { status, body } = await sendUnstated(self, { lines })
        expect(status).toBe(411)
        expect(JSON.parse(body)).toMatchObject({ status: 411, code: 'length_required' })
      }
      expect(self.runs).toBe(before)
      expect((await self.used(credential))?.used ?? 0n).toBe(0n)
    })
}
