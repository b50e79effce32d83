/** Where the daemon listens: a Unix socket for its owner alone, or loopback HTTP where there is none. */

import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { dirname } from 'node:path'
import { L402Error } from '@turnpike/l402'
import type { PurseStore } from '@turnpike/l402/client'
import { UsageError } from '../cli/usage-error.ts'

/** Longer paths do not fit the kernel's `sun_path` (104 bytes on macOS, 108 on Linux). */
const MOST_PATH_BYTES = 103

/**
 * Listens on a Unix socket. Its folder (0700) must be its owner's; the socket is 0600. A dead socket is replaced, a live
 * one is a fault. The lock is the purse's, for those that start on one purse at once. Node cannot ask for the uid at the other end: the folder keeps other users out, the grant's secret
 * tells who asks.
 */
export async function listenOnSocket(
  server: Server,
  path: string,
  { withLock }: Pick<PurseStore, 'withLock'>,
): Promise<void> {
  if (process.platform === 'win32')
    throw new UsageError('there is no Unix socket here; expected fare daemon --listen 127.0.0.1:PORT')
  if (Buffer.byteLength(path) > MOST_PATH_BYTES)
    throw new UsageError(`the socket's path is too long (${MOST_PATH_BYTES} bytes at most): set FARE_SOCKET`)
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const found = lstatSync(folder)
  if (!found.isDirectory() || found.uid !== process.getuid?.())
    throw new L402Error('store_unavailable', `${folder} must be a folder of your own`)
  chmodSync(folder, 0o700)
  // One after the other: of two that start at once, the second would take the socket of the first for a dead one.
  await withLock(`socket ${path}`, async () => {
    if (await answers(path))
      throw new L402Error('store_unavailable', `a purse daemon is running already at ${path}`)
    if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path)
    const before = process.umask(0o177)
    try {
      await listening(server, (done) => server.listen(path, done))
    } finally {
      process.umask(before)
    }
    chmodSync(path, 0o600)
  })
}

/**
 * Listens on a loopback address; answers `HOST:PORT`.
 *
 * @throws UsageError for an address that others could reach.
 */
export async function listenOnLoopback(server: Server, address: string): Promise<string> {
  const [, host = '', port = ''] = /^(127\.0\.0\.1|\[::1\]):([0-9]{1,5})$/.exec(address) ?? []
  if (host === '' || Number(port) > 65_535)
    throw new UsageError(`--listen: expected 127.0.0.1:PORT or [::1]:PORT, got "${address}"`)
  await listening(server, (done) => server.listen(Number(port), host.replaceAll(/[[\]]/g, ''), done))
  return `${host}:${(server.address() as AddressInfo).port}`
}

function listening(server: Server, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    start(() => {
      server.off('error', reject)
      resolve()
    })
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
