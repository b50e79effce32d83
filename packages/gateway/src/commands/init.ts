/** `turnpike init`: a first configuration. */

import { closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { readArguments } from '../cli/arguments.ts'
import { CommandError, exitCode } from '../cli/exit.ts'
import { createKeyFile } from '../config/key-file.ts'
import { type Command, configFlag, defaultConfigFile, helpFlag } from './command.ts'
import { initialConfig, withTls } from './initial-config.ts'
import { selfSigned } from './self-signed.ts'

const help = `turnpike init [-c FILE] [--tls]

Writes a commented turnpike.yaml, which explains every key, and beside it turnpike.key with a new master key (readable
by its owner alone). Where one of the files already is, none is touched.

  -c, --config FILE   the configuration to write (default: turnpike.yaml)
      --tls           also writes turnpike.crt and turnpike.crt.key, a self-signed certificate for localhost, 127.0.0.1 and
                      ::1 with its key (readable by its owner alone), and has the configuration use it: for development
  -h, --help          this text

Example:
  turnpike init && turnpike check && turnpike serve --sandbox
`

// Browsers take no certificate that is valid for longer.
const CERTIFICATE_DAYS = 397

export const initCommand: Command = {
  summary: 'writes a commented turnpike.yaml and a key file',
  help,
  async run(argv, io) {
    const read = readArguments(
      argv,
      { config: configFlag, tls: { type: 'boolean' }, help: helpFlag },
      { command: 'init' },
    )
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const config = resolve(io.cwd, read.values.get('config') ?? defaultConfigFile)
    const keys = resolve(dirname(config), 'turnpike.key')
    const tls = read.flags.has('tls')
    const [cert, certKey] = ['turnpike.crt', 'turnpike.crt.key'].map((name) => resolve(dirname(config), name))
    const pair = tls && cert !== undefined && certKey !== undefined ? { cert, key: certKey } : undefined
    const there = [config, keys, ...Object.values(pair ?? {})].filter((file) => existsSync(file))
    if (there.length > 0) {
      const names = there.map((file) => relative(io.cwd, file)).join(' and ')
      const verb = there.length === 1 ? 'is' : 'are'
      throw new CommandError(exitCode.failed, `${names} ${verb} already there; nothing was written.`)
    }
    try {
      createKeyFile(keys)
      if (pair !== undefined) {
        const made = selfSigned(['localhost', '127.0.0.1', '::1'], CERTIFICATE_DAYS)
        writeNew(pair.key, made.key, 0o600)
        writeNew(pair.cert, made.cert, 0o644)
      }
      writeNew(config, pair === undefined ? initialConfig : withTls(initialConfig), 0o644)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
      throw new CommandError(exitCode.failed, `${dirname(config)}: cannot be written to (${code})`)
    }
    const name = relative(io.cwd, config)
    const flag = name === defaultConfigFile ? '' : ` -c ${name}`
    const others = [keys, ...Object.values(pair ?? {})].map((file) => relative(io.cwd, file))
    io.stdout(`Wrote ${[name, ...others.slice(0, -1)].join(', ')} and ${others.at(-1)}.
Next: turnpike check${flag}               what is sold, in the order it matches
      turnpike serve --sandbox${flag}     runs it on play money
`)
    return exitCode.ok
  },
}

/** Never over a file that is there. */
function writeNew(file: string, text: string, mode: number): void {
  const descriptor = openSync(file, 'wx', mode)
  try {
    writeSync(descriptor, text)
  } finally {
    closeSync(descriptor)
  }
}
