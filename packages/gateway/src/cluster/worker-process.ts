/** The program of a worker: it begins, reloads, drains and ends when the main process says so, and with it. */

import cluster from 'node:cluster'
import { CommandError, exitCode } from '../cli/exit.ts'
import { processIo } from '../cli/io.ts'
import { unexpectedFault } from '../cli/unexpected.ts'
import { type ServingGateway, startGateway } from '../gateway.ts'
import { createLog } from '../log.ts'
import type { FirstOrders, MainCalls, WorkerCalls } from './calls.ts'
import { channelToMain } from './channels.ts'
import { remoteHolds } from './remote-holds.ts'
import { remoteLightning } from './remote-lightning.ts'
import { remoteLimits } from './remote-limits.ts'
import { remoteSales } from './remote-sales.ts'
import { connectPeer } from './rpc.ts'

// A terminal, and systemd, signal every process of a group: the main process alone decides what that means.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => {})

const io = processIo()
process.once('uncaughtException', (error) => {
  io.stderr(unexpectedFault(error))
  io.exit(exitCode.failed)
})

let gateway: ServingGateway | undefined
let sampleUrl: string | undefined
let putInForce: (() => void) | undefined

const main = connectPeer<WorkerCalls, MainCalls>(channelToMain(), {
  async start(first) {
    sampleUrl = first.sampleUrl
    gateway = await begin(first)
    return gateway.listen
  },
  async prepare(next) {
    sampleUrl = next.sampleUrl
    putInForce = await serving().prepare(next.config, next.keys)
  },
  commit() {
    putInForce?.()
    putInForce = undefined
  },
  metrics: () => serving().metrics.values(),
  reopen: () => serving().reopenLogs(),
  stop: () => serving().stop(),
})

function begin(first: FirstOrders): Promise<ServingGateway> {
  const { config, keys } = first
  const log = createLog(config.log, (line) => io.stderr(line)).child({ worker: process.pid })
  const host = {
    lightning: { invoices: remoteLightning(main, first), wallet: undefined },
    limits: remoteLimits(main),
    sales: remoteSales(main),
    holds: remoteHolds(main, cluster.worker?.id ?? 0),
    sampleUrl: () => sampleUrl,
  }
  return startGateway(config, { keys, env: io.env, log, host })
}

function serving(): ServingGateway {
  if (gateway === undefined) throw new CommandError(exitCode.failed, 'this worker does not serve yet')
  return gateway
}
