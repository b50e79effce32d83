/** `turnpike serve`: runs the gateway until a signal ends it. */

import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Logger } from 'pino'
import { type Control, createControl } from '../admin/control.ts'
import { loadAperture } from '../aperture/load-aperture.ts'
import { type Arguments, readArguments } from '../cli/arguments.ts'
import { CommandError, type ExitCode, exitCode } from '../cli/exit.ts'
import type { Io, ServeSignal } from '../cli/io.ts'
import { programVersion } from '../cli/version.ts'
import type { Config } from '../config/config.ts'
import { ConfigError, type ConfigIssue, formatIssue } from '../config/issue.ts'
import { loadKeys, MissingKeysError, makeKey, type StoredKey } from '../config/key-file.ts'
import { loadConfig, parseConfig } from '../config/load.ts'
import { unusableFiles } from '../config/named-files.ts'
import { configWarnings } from '../config/warnings.ts'
import { type Gateway, type GatewayParts, startGateway } from '../gateway.ts'
import { createLog, describeError } from '../log.ts'
import { type Command, configFlag, defaultConfigFile, helpFlag } from './command.ts'

const help = `turnpike serve [-c FILE | --aperture FILE] [--sandbox] [--ready-file FILE]

Runs the gateway until TERM or INT; then no more connections are taken, what runs may finish within drainTimeout, and
the program ends with 0 (a second signal ends it at once). HUP reads the configuration and the key files again: routes,
prices, limits, time-outs and keys change at once; a bad file changes nothing and is explained in the log. HUP and USR1
open log.accessFile anew.

  -c, --config FILE       the configuration (default: turnpike.yaml)
      --aperture FILE     an aperture.yaml in place of it, as "turnpike import" translates it; what is not carried is
                          named in the log
      --sandbox           sandbox Lightning, whatever the file says: real invoices and payments, play money. Without a
                          key file a key is made up for this run: what is sold ends with it
      --ready-file FILE   write {"listen":["http://…"],"admin":"http://…"} there once it serves; removed at the end
  -h, --help              this text

Examples:
  turnpike serve
  turnpike serve --sandbox -c examples/quickstart/turnpike.yaml
`

export const serveCommand: Command = {
  summary: 'runs the gateway',
  help,
  async run(argv, io) {
    const flags = {
      config: configFlag,
      aperture: { type: 'string' },
      sandbox: { type: 'boolean' },
      'ready-file': { type: 'string' },
      help: helpFlag,
    } as const
    const read = readArguments(argv, flags, { command: 'serve' })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    return serve(read, io)
  },
}

async function serve(read: Arguments, io: Io): Promise<ExitCode> {
  const sandbox = read.flags.has('sandbox')
  const aperture = read.values.get('aperture')
  if (aperture !== undefined && read.values.has('config'))
    throw new CommandError(exitCode.usage, 'turnpike serve: two configurations, expected -c or --aperture.')
  let notes: readonly ConfigIssue[] = []
  const load = (): Config => {
    const options = { cwd: io.cwd, env: io.env, sandbox }
    if (aperture === undefined) return loadConfig(read.values.get('config') ?? defaultConfigFile, options)
    const loaded = loadAperture(aperture, options)
    notes = loaded.notes
    return loaded.config
  }
  const config = load()
  const log = createLog(config.log, (line) => io.stderr(line))
  const warnAbout = (found: Config): void => {
    for (const note of notes) log.warn(formatIssue(aperture ?? '', note))
    for (const warning of configWarnings(found)) log.warn(formatIssue(found.file, warning))
  }
  // Before anything is opened or made; on a reload what runs has read them already, and it is a warning.
  const missing = unusableFiles(config.lightningFiles)
  if (missing.length > 0) throw new ConfigError(config.file, missing)
  warnAbout(config)
  const keys = keysFor(config, { sandbox, env: io.env, log })

  // Signals that come while starting must not be lost.
  const signals = signalBox(io)
  try {
    const loadAllKeys = (found: Config): readonly StoredKey[] => {
      // A key that was made up stays for the whole run.
      const madeUp = keys.length === 1 && !found.keys.explicit && !hasKeyFile(found)
      return madeUp ? keys : loadKeys(found.keys, io.env)
    }
    const control = createControl({
      config,
      load,
      reparse: ({ file, folder, overlay }, changed) =>
        parseConfig(overlay.mainText, { file, folder, env: io.env, sandbox, overlay: changed }),
      loadAllKeys,
      warnAbout,
      drain: () => signals.raise('SIGTERM'),
      log,
    })
    const gateway = await start(config, { keys, env: io.env, log, control })
    control.attach(gateway)
    const readyFile = read.values.get('ready-file')
    const ready = readyFile === undefined ? undefined : resolve(io.cwd, readyFile)
    try {
      if (ready !== undefined) writeReadyFile(ready, gateway)
      log.info(
        {
          version: programVersion(),
          ...addressesOf(gateway),
          lightning: config.lightning.map(({ backend }) => backend).join(', '),
        },
        'serving',
      )
      await serveUntilStopped(gateway, { control, log, signals })
    } finally {
      if (ready !== undefined) removeFile(ready)
      const finished = await gateway.stop()
      log.info(finished ? 'stopped' : 'stopped; what was not finished in time was cut off')
    }
  } finally {
    signals.close()
  }
  return exitCode.ok
}

/** One process serves by itself; several have a main process, which serves nothing. */
async function start(config: Config, parts: GatewayParts): Promise<Gateway> {
  if (config.workers === 1) return startGateway(config, parts)
  return (await import('../cluster/main-process.ts')).startCluster(config, parts)
}

function keysFor(
  config: Config,
  { sandbox, env, log }: { sandbox: boolean; env: Io['env']; log: Logger },
): readonly StoredKey[] {
  try {
    return loadKeys(config.keys, env)
  } catch (error) {
    // Made up only with play money, and only where the configuration does not name a key (protocol §4).
    if (!(error instanceof MissingKeysError) || !sandbox || config.keys.explicit) throw error
    log.warn(
      'PLAY MONEY: no key file, so a key was made up for this run. What is sold now is worthless after it.',
    )
    return [makeKey().key]
  }
}

function hasKeyFile({ keys }: Config): boolean {
  return keys.files.some((file) => existsSync(file))
}

interface Serving {
  readonly control: Control
  readonly log: Logger
  readonly signals: SignalBox
}

/** Reloads on HUP, opens logs anew on HUP and USR1; returns on TERM or INT. */
async function serveUntilStopped(gateway: Gateway, { control, log, signals }: Serving): Promise<void> {
  for (;;) {
    const signal = await signals.next()
    if (signal === 'SIGHUP' || signal === 'SIGUSR1') gateway.reopenLogs()
    if (signal === 'SIGUSR1') continue
    if (signal !== 'SIGHUP') {
      log.info({ signal }, 'draining')
      return
    }
    // Why not stands in the log.
    await control.reload().catch(() => {})
  }
}

type Signal = ServeSignal

/** Keeps signals until they are asked for; a second TERM or INT ends the process at once. */
interface SignalBox {
  next(): Promise<Signal>
  /** As if it had come. */
  raise(signal: Signal): void
  close(): void
}

function signalBox(io: Io): SignalBox {
  const kept: Signal[] = []
  let wake: ((signal: Signal) => void) | undefined
  let ending = false
  const take = (signal: Signal): void => {
    if (signal === 'SIGTERM' || signal === 'SIGINT') {
      if (ending) io.exit(exitCode.failed)
      ending = true
    }
    const woken = wake
    wake = undefined
    if (woken === undefined) kept.push(signal)
    else woken(signal)
  }
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const
  const offs = signals.map((signal) => io.onSignal(signal, () => take(signal)))
  return {
    raise: take,
    next: () => {
      const signal = kept.shift()
      if (signal !== undefined) return Promise.resolve(signal)
      return new Promise((resolve) => {
        wake = resolve
      })
    },
    close() {
      for (const off of offs) off()
    },
  }
}

/** Never throws: a file that cannot be removed must not keep the gateway from stopping. */
function removeFile(file: string): void {
  try {
    rmSync(file, { force: true })
  } catch {
    // It never was there, or is not a file.
  }
}

/** Where it listens. */
function addressesOf({ listen, admin, forwardAuth }: Gateway): object {
  if (forwardAuth === undefined) return { listen, admin }
  const { url, envoy } = forwardAuth
  return { listen, admin, forwardAuth: url, ...(envoy === undefined ? {} : { envoy }) }
}

/** Whoever sees the file sees all of it. */
function writeReadyFile(file: string, gateway: Gateway): void {
  const draft = `${file}.${process.pid}.tmp`
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(draft, `${JSON.stringify(addressesOf(gateway))}\n`)
    renameSync(draft, file)
  } catch (error) {
    removeFile(draft)
    throw new CommandError(exitCode.failed, `${file}: cannot be written (${describeError(error)})`)
  }
}
