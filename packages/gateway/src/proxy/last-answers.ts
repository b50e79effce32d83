import type { Socket } from 'node:net'
import type { ClientAnswer, ClientRequest } from './client-side.ts'

/**
 * Which answer is the last on its connection while the gateway drains. Requests may be pipelined: `Connection: close` belongs
 * on the answer to the last of them, since nothing after it reaches the client.
 */
export class LastAnswers {
  readonly #newest = new WeakMap<Socket, ClientAnswer>()

  /** Makes `res` the last. False: an answer that ends the connection is out already, and the request must not be acted upon. */
  admit(req: ClientRequest, res: ClientAnswer): boolean {
    // Its streams are apart, and GOAWAY says that no more are taken.
    if (req.httpVersion === '2.0') return true
    const before = this.#newest.get(req.socket)
    if (before !== undefined && !before.writableFinished) {
      if (before.headersSent) return false
      before.shouldKeepAlive = true
    }
    // A client that asks for the end itself has nothing after it.
    if (!res.shouldKeepAlive) return true
    res.shouldKeepAlive = false
    this.#newest.set(req.socket, res)
    return true
  }
}
