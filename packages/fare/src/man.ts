import { COMMAND_TABLE, FILES } from './cli/command-table.ts'
import { EXIT_MEANINGS } from './exit-codes.ts'

/** The manual page `fare(1)`, in man(7) macros. `version` is the program's. */
export function manualPage(version: string): string {
  const lines = [
    `.TH FARE 1 "" "fare ${version}" "User Commands"`,
    '.SH NAME',
    'fare \\- fetch what costs money, over HTTP 402 and Lightning, inside a budget',
    '.SH SYNOPSIS',
    ...COMMAND_TABLE.flatMap(({ name, forms }) =>
      forms.map(({ usage }) =>
        `.B fare ${name === 'get' ? '[get]' : name}\n${roff(usage)}\n.br`.replace('\n\n', '\n'),
      ),
    ),
    '.SH DESCRIPTION',
    roff(
      'fare fetches URLs as curl does, and pays for those that answer 402 with an L402 challenge, inside a budget. The body goes to standard output and nothing else does; what fare has to say goes to standard error, what happened to the money first.',
    ),
    '.SH COMMANDS',
  ]
  for (const { name, forms, groups } of COMMAND_TABLE) {
    lines.push(`.SS ${name}`)
    for (const { usage, text } of forms)
      lines.push('.TP', `.B fare ${roff(`${name} ${usage}`.trimEnd())}`, roff(text))
    for (const { flags } of groups)
      for (const { short, long, value, text } of flags) {
        const names = `${short === undefined ? '' : `-${short}, `}--${long}`
        lines.push('.TP', `.B ${roff(names)}${value === undefined ? '' : ` ${roff(value)}`}`, roff(text))
      }
  }
  lines.push('.SH EXIT STATUS')
  for (const [code, meaning] of Object.entries(EXIT_MEANINGS)) lines.push('.TP', `.B ${code}`, roff(meaning))
  lines.push('.SH FILES AND ENVIRONMENT')
  for (const [name, text] of FILES) lines.push('.TP', `.B ${roff(name)}`, roff(text))
  lines.push('.SH SEE ALSO', 'curl(1)')
  return `${lines.join('\n')}\n`
}

/** Text that man(7) shows as it is. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replaceAll("'", '\\(aq')
    .replace(/^\./, '\\&.')
}
