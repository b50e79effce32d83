/** The message channel between a main process and a worker, from either end. */

import type { Worker } from 'node:cluster'
import type { Channel } from './rpc.ts'

/** To a worker. */
export function channelTo(worker: Worker): Channel {
  return {
    send(message) {
      // Told by the callback, a channel that has closed throws nothing.
      if (worker.isConnected()) worker.send(message as object, ignore)
    },
    onMessage: (listener) => void worker.on('message', listener),
    onClose(listener) {
      worker.once('disconnect', listener).once('exit', listener)
      if (!worker.isConnected()) queueMicrotask(listener)
    },
  }
}

/** To the main process, from a worker. */
export function channelToMain(): Channel {
  return {
    send(message) {
      if (process.connected) process.send?.(message, undefined, undefined, ignore)
    },
    onMessage: (listener) => void process.on('message', listener),
    onClose: (listener) => void process.once('disconnect', listener),
  }
}

function ignore(): void {}
