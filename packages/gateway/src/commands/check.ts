/** `turnpike check`: is the configuration right, and what does it sell? */

import { formatAmount } from '@turnpike/l402'
import type { Charge } from '@turnpike/l402/server'
import { adminTokens } from '../admin/admin-token.ts'
import { readArguments } from '../cli/arguments.ts'
import { exitCode } from '../cli/exit.ts'
import {
  addressUrl,
  type Config,
  type LightningConfig,
  type RouteConfig,
  type ServiceConfig,
} from '../config/config.ts'
import { formatIssue } from '../config/issue.ts'
import { loadKeys, MissingKeysError } from '../config/key-file.ts'
import { loadConfig } from '../config/load.ts'
import { configWarnings } from '../config/warnings.ts'
import { describeForwarding, describeMatch, formatBytes } from './check-forwarding.ts'
import { type Command, configFlag, defaultConfigFile, helpFlag } from './command.ts'
import { describePrice } from './describe-price.ts'

const help = `turnpike check [-c FILE] [--sandbox]

Validates a configuration and its key files and prints the routes in the order they match: service, methods and path,
price, what the price buys, and the capability a credential must hold. Faults are told as FILE:LINE:COL, exit code 78;
warnings go to standard error and change nothing.

  -c, --config FILE   the configuration (default: turnpike.yaml)
      --sandbox       check it as "turnpike serve --sandbox" would run it
  -h, --help          this text

Examples:
  turnpike check
  turnpike check -c /etc/turnpike/turnpike.yaml
`

export const checkCommand: Command = {
  summary: 'validates a configuration and prints what it sells',
  help,
  async run(argv, io) {
    const flags = { config: configFlag, sandbox: { type: 'boolean' }, help: helpFlag } as const
    const read = readArguments(argv, flags, { command: 'check' })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const sandbox = read.flags.has('sandbox')
    const config = loadConfig(read.values.get('config') ?? defaultConfigFile, {
      cwd: io.cwd,
      env: io.env,
      sandbox,
    })
    for (const warning of configWarnings(config)) {
      io.stderr(`${formatIssue(config.file, { ...warning, message: `warning: ${warning.message}` })}\n`)
    }
    try {
      loadKeys(config.keys, io.env)
    } catch (error) {
      if (!(error instanceof MissingKeysError)) throw error
      io.stderr(`${config.file}: warning: ${error.message}\n`)
    }
    adminTokens(config.admin.tokenFile)
    io.stdout(describeConfig(config))
    return exitCode.ok
  },
}

/** Where the books are, without a password. */
function describeStore(store: Config['store']): string {
  switch (store.kind) {
    case 'memory':
      return 'memory (forgets at the end)'
    case 'sqlite':
      return `sqlite:${store.file}`
    case 'postgres': {
      const { protocol, host, pathname } = new URL(store.url)
      return `${protocol}//${host}${pathname}`
    }
    case 'redis':
      return store.place
  }
}

/** Where invoices come from, without secrets. */
function describeLightning({ backend, settings: { url } }: LightningConfig): string {
  if (backend === 'sandbox') return 'sandbox (play money)'
  return url === undefined || !/^https?:/.test(url) ? backend : `${backend} at ${new URL(url).host}`
}

/** What a configuration does, as text. */
function describeConfig(config: Config): string {
  const { limit } = config.challenges
  const facts = [
    ['listen', config.listen.map(addressUrl).join(', ')],
    ['admin', addressUrl(config.admin.listen)],
    ['lightning', config.lightning.map(describeLightning).join(', then ')],
    ['store', describeStore(config.store)],
    [
      'challenges',
      limit === null
        ? 'not limited'
        : `${limit.count} per ${formatSeconds(limit.windowSeconds)} and client prefix`,
    ],
    ...config.services.map((service) => [`service ${service.name}`, describeService(service)]),
  ]
  const head = ['SERVICE', 'MATCH', 'PRICE', 'BUYS', 'CAPABILITY']
  const routes = config.services.flatMap((service) =>
    service.routes.map((route) => [
      service.name,
      describeMatch(route),
      route.free ? 'free' : describePrice(route),
      [...describeGrants(route), ...describeLimits(route, service)].join('; ') || '-',
      route.free ? '-' : route.capability,
    ]),
  )
  const anything = '(anything else is 404)'
  return `${config.file} is valid.\n\n${columns(facts)}\nRoutes, in the order they match:\n${columns([head, ...routes])}${anything}\n`
}

function describeService(service: ServiceConfig): string {
  const parts = describeForwarding(service)
  if (service.hosts.length > 0) parts.push(`for ${service.hosts.join(', ')}`)
  if (service.tier > 0) parts.push(`tier ${service.tier}`)
  if (service.unknownCaveats === 'refuse') parts.push('unknown conditions refused')
  if (service.forwardCredential) parts.push('credentials forwarded')
  return parts.join('; ')
}

/** What differs from the service. */
function describeLimits({ bodyLimit, timeoutMs }: RouteConfig, service: ServiceConfig): string[] {
  return [
    ...(timeoutMs === service.timeoutMs ? [] : [`first byte within ${formatSeconds(timeoutMs / 1000)}`]),
    ...(bodyLimit === undefined ? [] : [`bodies up to ${formatBytes(bodyLimit)}`]),
  ]
}

function describeGrants({ free, grants, charge, conditions }: RouteConfig): string[] {
  if (free) return []
  const parts: string[] = []
  if (grants.creditMsat !== undefined) parts.push(`${formatAmount(grants.creditMsat)} of credit`)
  if (grants.calls !== undefined) parts.push(grants.calls === 1 ? '1 call' : `${grants.calls} calls`)
  if (grants.validSeconds !== undefined) parts.push(formatSeconds(grants.validSeconds))
  const buys = parts.join(' within ') || 'what the price server keeps'
  const bound = Object.keys(conditions ?? {})
  return [
    buys,
    ...(charge === undefined ? [] : [`charged by ${describeCharge(charge)}`]),
    ...(bound.length === 0 ? [] : [`bound in ${bound.join(', ')}`]),
  ]
}

/** The parts a request is charged by, and what is reserved for it. */
function describeCharge(charge: Charge): string {
  const { fixedMsat, requestByte, responseByte, second, header, json, usage, estimateMsat } = charge
  const parts: string[] = []
  if (fixedMsat > 0n) parts.push(`request (${formatAmount(fixedMsat)})`)
  if (requestByte !== undefined) parts.push('request bytes')
  if (responseByte !== undefined) parts.push('answer bytes')
  if (second !== undefined) parts.push('seconds')
  if (header !== undefined) parts.push(header.name)
  if (json !== undefined) parts.push(json.path.join('.'))
  if (usage !== undefined) parts.push(`tokens (${usage.shape})`)
  return `${parts.join(' + ')}, ${formatAmount(estimateMsat)} reserved`
}

/** `90` → `90s`, `3600` → `1h`. */
function formatSeconds(seconds: number): string {
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
  ] as const) {
    if (seconds % size === 0) return `${seconds / size}${unit}`
  }
  return `${seconds}s`
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map(
      (row) =>
        `  ${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
