import { setTimeout as later } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { isL402Error, L402Error } from '@turnpike/l402'
import { afterEach, describe, expect, it } from 'vitest'
import { CommandError, exitCode } from '../cli/exit.ts'
import { type Channel, connectPeer, type Handlers, NoAnswerError, RemoteFault } from './rpc.ts'

interface Calls {
  readonly double: (value: { readonly amount: bigint; readonly bytes: Uint8Array }) => Promise<bigint>
  readonly fail: (how: 'l402' | 'command' | 'other') => Promise<void>
  readonly hang: (nothing: undefined) => Promise<void>
}
type Nothing = Record<never, never>

const SECRET = 'preimage-0123'
const handlers: Handlers<Calls> = {
  double: ({ amount, bytes }) => amount * 2n * BigInt(bytes.length),
  fail(how) {
    if (how === 'l402')
      throw new L402Error('store_unavailable', 'the books are shut', { details: { tries: 2 } })
    if (how === 'command') throw new CommandError(exitCode.config, 'a.yaml:1:1: bad')
    throw new Error(SECRET)
  },
  hang: () => later(60_000, undefined, { ref: false }),
}

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** Two ends of a real channel between threads. */
function pair() {
  const { port1, port2 } = new MessageChannel()
  closers.push(() => port1.close())
  const sent: unknown[] = []
  const channel = (port: typeof port1): Channel => ({
    send(message) {
      sent.push(message)
      port.postMessage(message)
    },
    onMessage: (listener) => void port.on('message', listener),
    onClose: (listener) => void port.once('close', listener),
  })
  connectPeer<Calls, Nothing>(channel(port2), handlers)
  return { peer: connectPeer<Nothing, Calls>(channel(port1), {}), sent, close: () => port2.close() }
}

describe('a call to the other process', () => {
  it('carries bigints and bytes, and many at a time each get their own answer', async () => {
    const { peer } = pair()
    const amounts = Array.from({ length: 50 }, (_, i) => BigInt(i))
    const answers = await Promise.all(
      amounts.map((amount) => peer.call('double', { amount, bytes: new Uint8Array(3) })),
    )
    expect(answers).toEqual(amounts.map((amount) => amount * 6n))
  })

  it('fails as it failed there: with its code, its exit code, or without a word that may be secret', async () => {
    const { peer, sent } = pair()
    const ours = await peer.call('fail', 'l402').catch((error: unknown) => error)
    expect(isL402Error(ours, 'store_unavailable')).toBe(true)
    expect(ours).toMatchObject({ message: 'the books are shut', details: { tries: 2 } })
    await expect(peer.call('fail', 'command')).rejects.toMatchObject({
      exitCode: 78,
      message: 'a.yaml:1:1: bad',
    })
    await expect(peer.call('fail', 'other')).rejects.toThrow(RemoteFault)
    expect(JSON.stringify(sent)).not.toContain(SECRET)
  })

  it('does not wait for ever, nor for one that is gone', async () => {
    const { peer, close } = pair()
    await expect(peer.call('hang', undefined, 20)).rejects.toThrow(NoAnswerError)
    const waiting = peer.call('hang', undefined)
    close()
    await expect(waiting).rejects.toThrow(NoAnswerError)
    await expect(peer.call('hang', undefined)).rejects.toThrow('the other process is gone')
  })

  it('to a name that is not there is a fault', async () => {
    const { peer } = pair()
    await expect(peer.call('toString' as 'hang', undefined)).rejects.toThrow(RemoteFault)
  })
})
