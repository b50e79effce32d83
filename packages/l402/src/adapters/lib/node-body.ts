import type { IncomingMessage } from 'node:http'
import { concatBytes } from '../../core/bytes.ts'
import { DIGEST_BYTES, digestsOf } from '../../server/content-digest.ts'
import type { BodySource } from '../../server/enter.ts'
import { PRICED_BODY_BYTES } from '../../server/pricing/pricer.ts'
import { isUncounted, statedBytes } from './count-body.ts'
import { hasArrived, hasUnstatedBody } from './node-http2.ts'

/** The body of Node's request. What is read of it is put back, so that the handler finds all of it. */
export function nodeBody(req: IncomingMessage): BodySource {
  return {
    uncounted: () => isUncounted(req),
    async priced(query, { readsBody }) {
      const bodyBytes = statedBytes(req) ?? (hasUnstatedBody(req) ? null : 0)
      if (!readsBody) return { query, bodyBytes }
      const head = await peek(req, PRICED_BODY_BYTES)
      return { query, bodyBytes, bodyHead: head.subarray(0, PRICED_BODY_BYTES) }
    },
    async digest(query) {
      const body = await peek(req, DIGEST_BYTES + 1)
      return body.length > DIGEST_BYTES ? null : digestsOf(query, body)
    },
  }
}

/** Reads until there are `enough` bytes or no more to come, and puts them back. */
async function peek(
  req: IncomingMessage & { readonly rawBody?: unknown },
  enough: number,
): Promise<Uint8Array> {
  // All of it, as parsers keep it that are told to.
  if (req.rawBody instanceof Uint8Array) return req.rawBody
  if (req.readableEnded || req.readableFlowing === true)
    throw new TypeError('the body is read already: expected the paywall before anything that parses bodies')
  const chunks: Uint8Array[] = []
  let length = 0
  await new Promise<void>((resolve, reject) => {
    const take = (): void => {
      for (let chunk: Uint8Array | null = req.read(); chunk !== null; chunk = req.read()) {
        chunks.push(chunk)
        length += chunk.length
      }
      if (length < enough && !hasArrived(req)) return
      // At once: a stream that is found empty at its end has ended for good.
      if (length > 0) req.unshift(concatBytes(...chunks))
      done(resolve)
    }
    const gone = (): void => done(() => reject(new Error('the client left before its request was whole')))
    function done(then: () => void): void {
      req.off('readable', take)
      req.off('close', gone)
      then()
    }
    req.on('readable', take)
    req.on('close', gone)
    if (hasArrived(req)) take()
    else if (req.destroyed) gone()
  })
  return concatBytes(...chunks)
}
