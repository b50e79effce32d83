/** `turnpike serve`: runs the gateway until a signal ends it. */

import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Logger } from 'pino'
import { type Arguments, readArguments } from '../cli/arguments.ts'
import { CommandError, type ExitCode, exitCode } from '../cli/exit.ts'
import type { Io } from '../cli/io.ts'
import { programVersion } from '../cli/version.ts'
import type { Config } from '../config/config.ts'
import { formatIssue } from '../config/issue.ts'
import { loadKeys, MissingKeysError, makeKey, type StoredKey } from '../config/key-file.ts'
import { loadConfig } from '../config/load.ts'
import { restartOnly } from '../config/restart-only.ts'
import { configWarnings } from '../config/warnings.ts'
import { type Gateway, startGateway } from '../gateway.ts'
import { createLog, describeError } from '../log.ts'
import { type Command, configFlag, defaultConfigFile, helpFlag } from './command.ts'

const help = `turnpike serve [-c FILE] [--sandbox] [--ready-file FILE]

Runs the gateway until TERM or INT; then no more connections are taken, what runs may finish within drainTimeout, and
the program ends with 0 (a second signal ends it at once). HUP reads the configuration and the key files again: routes,
prices, limits, time-outs and keys change at once; a bad file changes nothing and is explained in the log.

  -c, --config FILE       the configuration (default: turnpike.yaml)
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
  const load = (): Config =>
    loadConfig(read.values.get('config') ?? defaultConfigFile, { cwd: io.cwd, env: io.env, sandbox })
  const config = load()
  const log = createLog(config.log, (line) => io.stderr(line))
  const warnAbout = (found: Config): void => {
    for (const warning of configWarnings(found)) log.warn(formatIssue(found.file, warning))
  }
  warnAbout(config)
  const keys = keysFor(config, { sandbox, env: io.env, log })

  // Signals that come while starting must not be lost.
  const signals = signalBox(io)
  try {
    const gateway = await startGateway(config, { keys, env: io.env, log })
    const readyFile = read.values.get('ready-file')
    const ready = readyFile === undefined ? undefined : resolve(io.cwd, readyFile)
    try {
      if (ready !== undefined) writeReadyFile(ready, gateway)
      const where = addressesOf(gateway)
      log.info({ version: programVersion(), ...where, lightning: config.lightning.backend }, 'serving')
      const loadAllKeys = (found: Config): readonly StoredKey[] => {
        // A key that was made up stays for the whole run.
        const madeUp = keys.length === 1 && !found.keys.explicit && !hasKeyFile(found)
        return madeUp ? keys : loadKeys(found.keys, io.env)
      }
      await serveUntilStopped(gateway, { config, load, loadAllKeys, log, signals, warnAbout })
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
  readonly config: Config
  readonly load: () => Config
  readonly loadAllKeys: (config: Config) => readonly StoredKey[]
  readonly log: Logger
  readonly signals: SignalBox
  readonly warnAbout: (config: Config) => void
}

/** Reloads on HUP; returns on TERM or INT. */
async function serveUntilStopped(gateway: Gateway, serving: Serving): Promise<void> {
  const { load, loadAllKeys, log, signals } = serving
  let current = serving.config
  for (;;) {
    const signal = await signals.next()
    if (signal !== 'SIGHUP') {
      log.info({ signal }, 'draining')
      return
    }
    try {
      const next = load()
      const keys = loadAllKeys(next)
      await gateway.reload(next, keys)
      const late = restartOnly(current, next)
      if (late.length > 0) log.warn(`${late.join(', ')} changed: in force after the next start`)
      current = next
      serving.warnAbout(next)
      log.info({ mintingKey: keys.findLast(({ active }) => active)?.id }, 'configuration reloaded')
    } catch (error) {
      log.error(`configuration not reloaded, the old one stays in force: ${describeError(error)}`)
    }
  }
}

type Signal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

/** Keeps signals until they are asked for; a second TERM or INT ends the process at once. */
interface SignalBox {
  next(): Promise<Signal>
  close(): void
}

function signalBox(io: Io): SignalBox {
  const kept: Signal[] = []
  let wake: ((signal: Signal) => void) | undefined
  let ending = false
  const take = (signal: Signal): void => {
    if (signal !== 'SIGHUP') {
      if (ending) io.exit(exitCode.failed)
      ending = true
    }
    const woken = wake
    wake = undefined
    if (woken === undefined) kept.push(signal)
    else woken(signal)
  }
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
  const offs = signals.map((signal) => io.onSignal(signal, () => take(signal)))
  return {
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
