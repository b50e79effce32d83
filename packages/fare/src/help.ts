import { COMMAND_TABLE, type CommandEntry, FILES, type FlagEntry } from './cli/command-table.ts'
import { columns } from './cli/text.ts'
import { EXIT_MEANINGS } from './exit-codes.ts'

/** Usage lines longer than this stand above their text. */
const WIDTH = 34

/** `fare --help`. */
export function help(): string {
  const [get] = COMMAND_TABLE
  return `fare: fetches what costs money, over HTTP 402 and Lightning, inside a budget

usage
${COMMAND_TABLE.flatMap((command) => usageLines(command)).join('\n')}
  fare COMMAND --help             all options of a command

${(get?.groups ?? []).map(groupText).join('\n\n')}

environment
  HTTP_PROXY  HTTPS_PROXY  ALL_PROXY  NO_PROXY, in small letters too

exit codes
${exitLines()}

files and environment
${columns(FILES.map(([name, text]) => [`  ${name}`, text]))}
`
}

/** `fare COMMAND --help`. */
export function commandHelp(name: string): string {
  const command = COMMAND_TABLE.find((one) => one.name === name)
  if (command === undefined) return help()
  const groups = command.groups.map(groupText).join('\n\n')
  return `usage\n${usageLines(command).join('\n')}\n${groups === '' ? '' : `\n${groups}\n`}\nexit codes\n${exitLines()}\n`
}

/** A flag as typed: `-o, --output FILE`. */
function flagText({ short, long, value }: FlagEntry): string {
  return `${short === undefined ? '' : `-${short}, `}--${long}${value === undefined ? '' : ` ${value}`}`
}

function usageLines({ name, forms }: CommandEntry): readonly string[] {
  return forms.map(({ usage, text }) => {
    const typed = `  fare ${name === 'get' ? '[get]' : name} ${usage}`.trimEnd()
    return typed.length < WIDTH ? `${typed.padEnd(WIDTH)}${text}` : `${typed}\n${' '.repeat(WIDTH)}${text}`
  })
}

function groupText({ title, flags }: CommandEntry['groups'][number]): string {
  return `${title}\n${columns(flags.map((flag) => [`  ${flagText(flag)}`, flag.text]))}`
}

function exitLines(): string {
  return Object.entries(EXIT_MEANINGS)
    .map(([code, meaning]) => `  ${code.padStart(2)}  ${meaning}`)
    .join('\n')
}
