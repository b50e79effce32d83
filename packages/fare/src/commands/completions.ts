import { COMMAND_TABLE } from '../cli/command-table.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'

/** `fare completions bash | zsh | fish`: a script to be sourced, made from the same table as the help. */
export async function completions(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { positionals } = parseOptions(args, OPTIONS.completions)
  const [shell, ...rest] = positionals
  const script = shell !== undefined && rest.length === 0 && Object.hasOwn(SCRIPTS, shell)
  if (!script) throw new UsageError('expected: fare completions bash | zsh | fish')
  await streams.out(SCRIPTS[shell as keyof typeof SCRIPTS]())
  return EXIT.fetched
}

const SCRIPTS = { bash, zsh, fish } as const

const names = (): string => COMMAND_TABLE.map(({ name }) => name).join(' ')

/** Words that may follow a command: its actions, then its flags. */
const wordsOf = ({ actions = [], groups }: (typeof COMMAND_TABLE)[number]): string =>
  [...actions, ...groups.flatMap(({ flags }) => flags.map(({ long }) => `--${long}`)), '--help'].join(' ')

function cases(): string {
  return COMMAND_TABLE.map((command) => `    ${command.name}) words="${wordsOf(command)}" ;;`).join('\n')
}

function bash(): string {
  return `# fare completions for bash: source <(fare completions bash)
_fare() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" words="${names()} --help --version" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
${cases()}
    *) continue ;;
    esac
    break
  done
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ \${#COMPREPLY[@]} -eq 0 && "$cur" != -* ]]; then COMPREPLY=($(compgen -f -- "$cur")); fi
}
complete -F _fare fare
`
}

function zsh(): string {
  return `#compdef fare
# fare completions for zsh: source <(fare completions zsh)
_fare() {
  local words_of="${names()} --help --version" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in
${cases().replaceAll('words=', 'words_of=')}
    *) continue ;;
    esac
    break
  done
  compadd -- \${=words_of} || _files
}
if [ "$funcstack[1]" = "_fare" ]; then _fare "$@"; else compdef _fare fare; fi
`
}

function fish(): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines = ['# fare completions for fish: fare completions fish | source']
  for (const { name, forms, actions = [], groups } of COMMAND_TABLE) {
    lines.push(`complete -c fare -n __fish_use_subcommand -a ${name} -d ${quote(forms[0]?.text ?? '')}`)
    const here = `-n '__fish_seen_subcommand_from ${name}'`
    if (actions.length > 0) lines.push(`complete -c fare ${here} -f -a ${quote(actions.join(' '))}`)
    for (const { long, short, value, text } of groups.flatMap(({ flags }) => flags))
      lines.push(
        `complete -c fare ${here} -l ${long}${short === undefined ? '' : ` -s ${short}`}${value === undefined ? '' : ' -r'} -d ${quote(text)}`,
      )
  }
  return `${lines.join('\n')}\n`
}
