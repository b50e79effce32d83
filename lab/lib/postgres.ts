/** A real PostgreSQL server for one suite: on a free loopback port, in a temporary folder, gone afterwards. */

import { execFileSync, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { freePort } from './programs.ts'

/** A server that runs. */
export interface PostgresServer {
  readonly port: number
  /** The folder of the programs. */
  readonly programs: string
  /** The address of a database: a new one for each call, unless it is named. */
  url(database?: string): string
  /** Runs SQL as the superuser, in a database; answers what `psql` prints, unaligned. */
  sql(database: string, statement: string): string
  /** `immediate` is a crash: nothing is written any more, the next start recovers. */
  stop(mode: 'fast' | 'immediate'): void
  start(): void
  /** Stops it and removes its folder. */
  remove(): void
}

const PASSWORD = 'open-sesame-and-tell-nobody'

/** Where PostgreSQL's programs are, or `undefined`. The newest version wins. */
export function findPostgres(): string | undefined {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...versions.map((version) => join(root, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ]
  return folders.find((folder) =>
    ['initdb', 'pg_ctl', 'postgres', 'psql'].every((program) => existsSync(join(folder, program))),
  )
}

/** Starts a server. Its programs refuse to run as root: then they run as `postgres`, or `nobody`. */
export async function startPostgres(
  programs: string,
  settings: readonly string[] = [],
): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-postgres-'))
  const data = join(folder, 'data')
  const port = await freePort()
  const user = unprivileged()
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const run = (program: string, ...args: string[]): string =>
    execFileSync(join(programs, program), args, {
      ...user,
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, PGPASSWORD: PASSWORD },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  let databases = 0
  const server: PostgresServer = {
    port,
    programs,
    url(database = `books_${++databases}`): string {
      const exists = server.sql('postgres', `SELECT FROM pg_database WHERE datname = '${database}'`) !== ''
      if (!exists) server.sql('postgres', `CREATE DATABASE ${database} OWNER turnpike`)
      return `postgres://turnpike:${PASSWORD}@127.0.0.1:${port}/${database}`
    },
    sql: (database, statement) =>
      run(
        'psql',
        '-qAt',
        '-h',
        folder,
        '-p',
        `${port}`,
        '-U',
        'postgres',
        '-d',
        database,
        '-c',
        statement,
      ).trimEnd(),
    stop: (mode) => void run('pg_ctl', 'stop', '-w', '-D', data, '-m', mode),
    start: () => void run('pg_ctl', 'start', '-w', '-t', '60', '-D', data, '-l', join(folder, 'log')),
    remove(): void {
      // Not running any more is as good as stopped.
      spawnSync(join(programs, 'pg_ctl'), ['stop', '-w', '-D', data, '-m', 'immediate'], {
        ...user,
        stdio: 'ignore',
      })
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    const passwordFile = join(folder, 'password')
    writeFileSync(passwordFile, PASSWORD)
    run(
      'initdb',
      '-D',
      data,
      '-U',
      'postgres',
      `--pwfile=${passwordFile}`,
      '-A',
      'scram-sha-256',
      '-E',
      'UTF8',
      '--locale=C',
    )
    const lines = [
      "listen_addresses = '127.0.0.1'",
      `port = ${port}`,
      `unix_socket_directories = '${folder}'`,
      'max_connections = 60',
      ...settings,
    ]
    writeFileSync(join(data, 'postgresql.conf'), `${lines.join('\n')}\n`)
    server.start()
    server.sql('postgres', `CREATE ROLE turnpike LOGIN PASSWORD '${PASSWORD}'`)
  } catch (error) {
    server.remove()
    throw error
  }
  return server
}

/** What must never be seen in a message. */
export const secret: string = PASSWORD

function unprivileged(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string, name: string): number | undefined => {
    const { status, stdout } = spawnSync('id', [flag, name], { encoding: 'utf8' })
    return status === 0 ? Number(stdout) : undefined
  }
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = [id('-u', name), id('-g', name)]
    if (uid !== undefined && gid !== undefined) return { uid, gid }
  }
  throw new Error('PostgreSQL refuses to run as root, and there is no user "postgres" or "nobody"')
}
