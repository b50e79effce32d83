/** One sending of a request by undici, held back until it is decided whether its answer is the one that stands. */

import type { Dispatcher } from 'undici'

type Controller = Dispatcher.DispatchController
type Handler = Dispatcher.DispatchHandler

/** Bytes of a 402 that are read while it is being paid, so that its connection is free for what comes after. */
const MOST_UNPAID_BYTES = 1 << 20

/** What came back. */
export interface DispatchedAnswer {
  /** Status and headers; it has no body. */
  readonly response: Response
  /** From now on the handler gets what has come and what comes. */
  handOn(handler: Handler): void
  /** Ends the exchange, unless it was handed on or has ended. */
  letGo(): void
}

/** The controller that a handler keeps while attempts come and go. */
export interface Relay extends Controller {
  current: Controller | undefined
  /** Whether the handler wants no more for now. */
  readonly wantsPause: boolean
}

/** Makes one. `onAbort` is told the reason first. */
export function relayController(onAbort: (reason: Error) => void): Relay {
  let reason: Error | null = null
  let wantsPause = false
  return {
    current: undefined,
    get wantsPause() {
      return wantsPause
    },
    get aborted() {
      return reason !== null
    },
    get paused() {
      return wantsPause
    },
    get reason() {
      return reason
    },
    get rawHeaders() {
      return this.current?.rawHeaders ?? null
    },
    get rawTrailers() {
      return this.current?.rawTrailers ?? null
    },
    abort(why) {
      if (reason !== null) return
      reason = why
      onAbort(why)
      this.current?.abort(why)
    },
    pause() {
      wantsPause = true
      this.current?.pause()
    },
    resume() {
      wantsPause = false
      this.current?.resume()
    },
  }
}

/** Sends once; resolves at the answer's headers, of a 402 at its end. Rejects where no answer came. */
export function dispatchOnce(
  dispatch: Dispatcher['dispatch'],
  options: Dispatcher.DispatchOptions,
  relay: Relay,
): Promise<DispatchedAnswer> {
  return new Promise((resolve, reject) => {
    let controller: Controller | undefined
    let receiver: Handler | undefined
    let response: Response | undefined
    let unpaidBytes = 0
    let ended = false
    let waiting: ((handler: Handler) => void)[] = []
    const tell = (event: (handler: Handler) => void): void => {
      if (receiver) event(receiver)
      else waiting.push(event)
    }
    const answered = (): void => {
      if (response) resolve({ response, handOn, letGo })
    }
    const handOn = (handler: Handler): void => {
      relay.current = controller
      receiver = handler
      const before = waiting
      waiting = []
      for (const event of before) event(handler)
      if (!relay.wantsPause) controller?.resume()
    }
    const letGo = (): void => {
      if (receiver || ended) return
      waiting = []
      controller?.abort(new Error('the answer is not needed'))
    }

    dispatch(options, {
      onRequestStart(own) {
        controller = own
        relay.current = own
        if (relay.reason) own.abort(relay.reason)
      },
      onResponseStart(own, status, headers, statusText) {
        // 100 and the like are not the answer.
        if (status < 200) return
        tell((handler) => handler.onResponseStart?.(relay, status, headers, statusText))
        try {
          response = responseOf(status, headers)
        } catch (error) {
          own.abort(error as Error)
          return reject(error)
        }
        if (status === 402) return
        own.pause()
        answered()
      },
      onResponseData(own, chunk) {
        tell((handler) => handler.onResponseData?.(relay, chunk))
        if (receiver) return
        unpaidBytes += chunk.length
        if (unpaidBytes <= MOST_UNPAID_BYTES) return
        own.pause()
        answered()
      },
      onResponseEnd(_, trailers) {
        ended = true
        tell((handler) => handler.onResponseEnd?.(relay, trailers))
        answered()
      },
      onResponseError(_, error) {
        ended = true
        tell((handler) => handler.onResponseError?.(relay, error))
        // After the headers it is the reader's.
        reject(error)
      },
    })
  })
}

function responseOf(
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Response {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : value === undefined ? [] : [value]).map((one): [string, string] => [
      name,
      one,
    ]),
  )
  return new Response(null, { status, headers: lines })
}
