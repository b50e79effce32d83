import { createServer } from 'node:http'
import { join } from 'node:path'
import { memoryPurse } from '@turnpike/l402/purse/memory'
import { afterEach, expect, it } from 'vitest'
import { temporaryFolder } from '../../test/support/folder.ts'
import { listenOnSocket } from './listen.ts'

const servers = [createServer(), createServer(), createServer()]
afterEach(() => {
  for (const server of servers) server.close()
})

it('lets one of several that start at once have the socket, and tells the others', async () => {
  const path = join(temporaryFolder(), 'fare', 'daemon.sock')
  const purse = memoryPurse()
  const ends = await Promise.allSettled(servers.map((server) => listenOnSocket(server, path, purse)))
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const end of ends)
    if (end.status === 'rejected') expect(String(end.reason)).toContain('a purse daemon is running already')
})
