/** `turnpike init`: a first configuration. */

import { closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { readArguments } from '../cli/arguments.ts'
import { CommandError, exitCode } from '../cli/exit.ts'
import { createKeyFile } from '../config/key-file.ts'
import { type Command, configFlag, defaultConfigFile, helpFlag } from './command.ts'
import { initialConfig } from './initial-config.ts'

const help = `turnpike init [-c FILE]

Writes a commented turnpike.yaml, which explains every key, and beside it turnpike.key with a new master key (readable
by its owner alone). Where one of the two already is, neither is touched.

  -c, --config FILE   the configuration to write (default: turnpike.yaml)
  -h, --help          this text

Example:
  turnpike init && turnpike check && turnpike serve --sandbox
`

export const initCommand: Command = {
  summary: 'writes a commented turnpike.yaml and a key file',
  help,
  async run(argv, io) {
    const read = readArguments(argv, { config: configFlag, help: helpFlag }, { command: 'init' })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const config = resolve(io.cwd, read.values.get('config') ?? defaultConfigFile)
    const keys = resolve(dirname(config), 'turnpike.key')
    const there = [config, keys].filter((file) => existsSync(file))
    if (there.length > 0) {
      const names = there.map((file) => relative(io.cwd, file)).join(' and ')
      const verb = there.length === 1 ? 'is' : 'are'
      throw new CommandError(exitCode.failed, `${names} ${verb} already there; nothing was written.`)
    }
    try {
      createKeyFile(keys)
      const descriptor = openSync(config, 'wx', 0o644)
      try {
        writeSync(descriptor, initialConfig)
      } finally {
        closeSync(descriptor)
      }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
      throw new CommandError(exitCode.failed, `${dirname(config)}: cannot be written to (${code})`)
    }
    const name = relative(io.cwd, config)
    const flag = name === defaultConfigFile ? '' : ` -c ${name}`
    io.stdout(`Wrote ${name} and ${relative(io.cwd, keys)}.
Next: turnpike check${flag}               what is sold, in the order it matches
      turnpike serve --sandbox${flag}     runs it on play money
`)
    return exitCode.ok
  },
}
