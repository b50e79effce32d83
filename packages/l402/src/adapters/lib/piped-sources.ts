import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'

/**
 * Knows what is piped into a response. Answers a function that ends the sources of a response that has finished before them:
 * `pipeline` knows of clients that leave, but would wait for such a source, and hold it open, for good.
 */
export function pipedSources(res: ServerResponse): () => void {
  const sources = new Set<Readable>()
  res.on('pipe', (source: Readable) => sources.add(source))
  return () => {
    // Those whose end somebody watches. What is piped and no more may have other readers.
    for (const source of sources) if (source.listenerCount('close') > 0) source.destroy()
  }
}
