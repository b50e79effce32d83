import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { answerOf, listen, type Running } from '../../../test/matrix.ts'
import { type Digests, digestsOf } from '../../server/content-digest.ts'
import type { Pricer } from '../../server/pricing/pricer.ts'
import { nodeBody } from './node-body.ts'

let running: Running | undefined
afterEach(async () => {
  await running?.close()
  running = undefined
})

/** Sends the pieces chunked, and answers what the handler answers of them. */
async function ask(
  pieces: readonly string[],
  handle: (req: IncomingMessage) => Promise<string>,
): Promise<string> {
  running = await listen(
    createServer((req, res) => {
      handle(req).then(
        (answer) => res.end(answer),
        (error: Error) => res.end(error.message),
      )
    }),
  )
  const req = httpRequest({ host: '127.0.0.1', port: running.port, method: 'POST', agent: false })
  for (const piece of pieces) {
    req.write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  req.end()
  return text(await answerOf(req))
}

const shown = (digests: Digests | null): string => {
  if (digests === null) return 'null'
  const { contentDigest, bodyDigest } = digests
  return [contentDigest, bodyDigest].map((bytes) => Buffer.from(bytes).toString('hex')).join(' ')
}
const digestOf = (body: string): string => shown(digestsOf('?q', Buffer.from(body)))

describe('what is read of a body before its handler has it', () => {
  it.each([
    { pieces: ['hello ', 'wide ', 'world'], what: 'in pieces' },
    { pieces: ['x'.repeat(300_000), 'y'], what: 'larger than a buffer' },
    { pieces: [], what: 'empty' },
  ])('is put back: a body $what', async ({ pieces }) => {
    const body = pieces.join('')
    const answer = await ask(pieces, async (req) => {
      const digest = await nodeBody(req).digest('?q')
      return `${shown(digest)} ${(await text(req)) === body}`
    })
    expect(answer).toBe(`${digestOf(body)} true`)
  })

  it('is put back where the handler listens for events', async () => {
    const answer = await ask(['one', 'two'], async (req) => {
      await nodeBody(req).digest('')
      return new Promise((resolve) => {
        let body = ''
        req.on('data', (piece: Buffer) => {
          body += piece.toString()
        })
        req.on('end', () => resolve(body))
      })
    })
    expect(answer).toBe('onetwo')
  })

  it('is refused above its bound, and is no more than its head for a pricer', async () => {
    const large = 'x'.repeat(600_000)
    const tooLarge = await ask([large, large], async (req) => shown(await nodeBody(req).digest('')))
    expect(tooLarge).toBe('null')
    const pricer = { readsBody: true } as Pricer
    const head = await ask([large], async (req) => {
      const parts = await nodeBody(req).priced('?q', pricer)
      return `${parts.bodyBytes} ${parts.bodyHead?.length} ${(await text(req)).length}`
    })
    expect(head).toBe('null 65536 600000')
  })

  it('cannot be read where a parser has read it, and says so', async () => {
    const answer = await ask(['hello'], async (req) => {
      await text(req)
      return shown(await nodeBody(req).digest(''))
    })
    expect(answer).toContain('expected the paywall before anything that parses bodies')
  })
})
