/** `turnpike import`: an Aperture configuration as a `turnpike.yaml`. */

import { closeSync, openSync, writeSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { readApertureFile } from '../aperture/load-aperture.ts'
import { readArguments } from '../cli/arguments.ts'
import { CommandError, exitCode } from '../cli/exit.ts'
import { formatIssue } from '../config/issue.ts'
import { type Command, helpFlag } from './command.ts'

const help = `turnpike import FILE [-o FILE]

Prints the turnpike.yaml that does what an aperture.yaml does, with comments. What cannot be carried, or not wholly, is named
on standard error and in the comments, with the reason; what is not understood (an unknown auth word, a bad expression) is an
error, exit code 78. Tokens that Aperture sold keep working where its database is SQLite or PostgreSQL.

  -o, --output FILE   write it there (readable by its owner alone), never over a file that is there
  -h, --help          this text

Examples:
  turnpike import ~/.aperture/aperture.yaml -o turnpike.yaml && turnpike keys new && turnpike check
  turnpike serve --aperture ~/.aperture/aperture.yaml     runs it without a file of its own
`

export const importCommand: Command = {
  summary: 'an Aperture configuration as a turnpike.yaml',
  help,
  async run(argv, io) {
    const flags = { output: { type: 'string', short: 'o' }, help: helpFlag } as const
    const read = readArguments(argv, flags, { command: 'import', maxPositionals: 1 })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const [file] = read.positionals
    if (file === undefined)
      throw new CommandError(
        exitCode.usage,
        'turnpike import: expected the name of an aperture.yaml. Run "turnpike import --help" for its flags.',
      )
    const { text, notes } = readApertureFile(file, io)
    for (const note of notes) io.stderr(`${formatIssue(file, note)}\n`)
    const output = read.values.get('output')
    if (output === undefined) {
      io.stdout(text)
      return exitCode.ok
    }
    const target = resolve(io.cwd, output)
    writeNew(target, output, text)
    const name = relative(io.cwd, target)
    io.stdout(`Wrote ${name}.
Next: turnpike keys new             a master key for what is sold from now on, beside it
      turnpike check -c ${name}     what is sold, in the order it matches
`)
    return exitCode.ok
  },
}

/** Never over a file that is there. It may hold secrets, as the other one does. */
function writeNew(file: string, shown: string, text: string): void {
  let descriptor: number
  try {
    descriptor = openSync(file, 'wx', 0o600)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    const why = code === 'EEXIST' ? 'is already there; nothing was written.' : `cannot be written (${code})`
    throw new CommandError(exitCode.failed, `${shown} ${why}`)
  }
  try {
    writeSync(descriptor, text)
  } finally {
    closeSync(descriptor)
  }
}
