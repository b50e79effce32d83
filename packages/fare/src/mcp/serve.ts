/** `fare mcp`: the purse for agents. */

import { dirname, join } from 'node:path'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import type { Streams } from '../cli/streams.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { configFile } from '../paths.ts'
import { openSession } from '../session.ts'
import { approvals } from './approval.ts'
import { bodyStore } from './bodies.ts'
import { calls } from './calls.ts'
import type { Desk } from './desk.ts'
import { guardedFetch } from './guarded-fetch.ts'
import { listenHttp } from './http.ts'
import { createServer } from './server.ts'
import { type McpSettings, readSettings } from './settings.ts'
import { readToken } from './token-file.ts'

const MOST_KEPT_BYTES = 64 * 1024 * 1024

/** Serves until its client leaves or it is told to stop; payments under way are waited for. */
export async function mcp(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const settings = readSettings(args, env)
  await tryPurse(settings)
  const web = guardedFetch(settings.addresses, settings.unpackBounds)
  const desk: Desk = {
    settings,
    calls: calls({ oneByOne: settings.maxMsat !== undefined }),
    bodies: bodyStore(MOST_KEPT_BYTES),
    approvals: approvals(),
    web,
  }
  const stop = settings.listen === undefined ? overStdio(desk) : await overHttp(desk, streams)
  await stop.asked
  await stop.close()
  // A call that was cancelled may still be paying: its end belongs on the books (rule C3).
  await desk.calls.idle()
  await web.close()
  return EXIT.fetched
}

/** A purse or wallet that cannot be used is better known at once. */
async function tryPurse({ env, sandbox, wallet }: McpSettings): Promise<void> {
  const session = openSession(env)
  try {
    session.buyer({ sandbox, wallet })
    await session.purse.budget()
  } finally {
    await session.close()
  }
}

interface Stop {
  readonly asked: Promise<void>
  close(): Promise<void>
}

function overStdio(desk: Desk): Stop {
  const handle = serveStdio(() => createServer(desk))
  const ended = new Promise<void>((resolve) => {
    process.stdin.once('end', resolve)
    process.stdin.once('close', resolve)
  })
  return { asked: Promise.race([ended, signalled()]), close: () => handle.close() }
}

async function overHttp(desk: Desk, streams: Streams): Promise<Stop> {
  const { listen = { host: '127.0.0.1', port: 0 }, tokenFile, env } = desk.settings
  const file = tokenFile ?? join(dirname(configFile(env)), 'mcp-token')
  const handler = createMcpHandler(() => createServer(desk))
  const listener = await listenHttp(listen, { handler, token: readToken(file) })
  streams.err(`fare: MCP at ${listener.url}; the bearer token is in ${file}`)
  return {
    asked: signalled(),
    async close() {
      await handler.close()
      await listener.close()
    },
  }
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    // Once: a second signal ends the process as it always does.
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })
}
