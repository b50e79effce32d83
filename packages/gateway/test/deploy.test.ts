import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../src/config/load.ts'
import { run } from '../src/main.ts'
import { testIo } from './test-io.ts'

const DEPLOY = resolve(import.meta.dirname, '../../../deploy')
const read = (name: string): string => readFileSync(resolve(DEPLOY, name), 'utf8')

/** The settings of a systemd unit: section, name, value. */
function unitSettings(text: string): (readonly [section: string, name: string, value: string])[] {
  let section = ''
  return text.split('\n').flatMap((line) => {
    if (line === '' || line.startsWith('#')) return []
    const head = /^\[(\w+)\]$/.exec(line)?.[1]
    if (head !== undefined) {
      section = head
      return []
    }
    const parts = /^(\w+)=(.*)$/.exec(line)
    if (parts === null) throw new Error(`not a line of a unit: ${line}`)
    return [[section, parts[1] ?? '', parts[2] ?? ''] as const]
  })
}

/** Checks a command line of `turnpike` by its help. */
async function expectKnown([command = '', ...args]: readonly string[]): Promise<void> {
  const io = testIo(DEPLOY)
  expect(await run([command, '--help'], io)).toBe(0)
  const help = io.out()
  for (const flag of args.filter((arg) => arg.startsWith('-')))
    expect(help).toMatch(new RegExp(`(?:^|\\s|,)${flag}\\b`, 'm'))
}

it('the unit starts, reloads and ends the program as it wants to be', async () => {
  const settings = unitSettings(read('turnpike.service'))
  const value = (name: string): string | undefined => settings.find(([, found]) => found === name)?.[2]
  expect(new Set(settings.map(([section]) => section))).toEqual(new Set(['Unit', 'Service', 'Install']))
  const [program = '', ...args] = (value('ExecStart') ?? '').split(' ')
  expect(basename(program)).toBe('turnpike')
  await expectKnown(args)
  expect(value('ExecReload')).toBe('/bin/kill -HUP $MAINPID')
  // The program does not tell systemd when it serves.
  expect([value('Type'), value('KillMode'), value('KillSignal')]).toEqual(['exec', 'mixed', 'SIGTERM'])
  expect(value('RestartPreventExitStatus')).toBe('64 78')
  const { drainTimeoutMs } = loadConfig(resolve(DEPLOY, 'compose-turnpike.yaml'), {
    ...{ cwd: DEPLOY, sandbox: true },
    env: { POSTGRES_PASSWORD: 'x' },
  })
  expect(Number(value('TimeoutStopSec')) * 1_000).toBeGreaterThan(drainTimeoutMs + 10_000)
  for (const name of ['DynamicUser', 'NoNewPrivileges', 'PrivateTmp', 'ProtectHome'])
    expect(value(name)).toBe('yes')
  expect([value('ProtectSystem'), value('CapabilityBoundingSet')]).toEqual(['strict', ''])
  // A JIT needs memory that is written and then run.
  expect(value('MemoryDenyWriteExecute')).toBeUndefined()
})

it('the Compose file names files and commands that exist, and its configuration is right', async () => {
  const compose = parse(read('compose.yaml'))
  const { gateway, upstream } = compose.services
  await expectKnown(gateway.command)
  expect(gateway.read_only).toBe(true)
  expect(existsSync(resolve(DEPLOY, gateway.build.context, gateway.build.dockerfile))).toBe(true)
  const [api = ''] = upstream.volumes[0].split(':')
  expect(existsSync(resolve(DEPLOY, api, basename(upstream.command[1])))).toBe(true)
  const [file = ''] = gateway.volumes[0].split(':')
  const config = loadConfig(resolve(DEPLOY, file), {
    cwd: DEPLOY,
    sandbox: true,
    env: { POSTGRES_PASSWORD: 'x' },
  })
  expect([config.workers, config.store.kind, config.services[0]?.upstreams]).toEqual([
    2,
    'postgres',
    ['http://127.0.0.1:9000'],
  ])
})

it('the Dockerfile runs the program as somebody who may do little', async () => {
  const lines = read('Dockerfile').split('\n')
  const json = (word: string): string[] =>
    JSON.parse(lines.findLast((line) => line.startsWith(`${word} `))?.slice(word.length) ?? '[]')
  await expectKnown(json('CMD'))
  const [, program = ''] = json('ENTRYPOINT')
  expect(existsSync(resolve(DEPLOY, '../packages/gateway/bin', basename(program)))).toBe(true)
  expect(lines).toContain('USER node')
  for (const line of lines.filter((found) => found.startsWith('COPY deploy/')))
    expect(existsSync(resolve(DEPLOY, '..', line.split(' ')[1] ?? ''))).toBe(true)
  expect(dirname(program)).toBe('/app/node_modules/turnpike/bin')
})

it('logrotate sends the signal that opens the access log anew', () => {
  expect(read('turnpike.logrotate')).toMatch(/--signal=USR1 turnpike\.service$/m)
})
