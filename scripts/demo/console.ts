/** How the demonstration talks: numbered steps, the wire, and whether each step came out as told. */

const colour = process.stdout.isTTY && !process.env['NO_COLOR']
const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)

let steps = 0
const wrong: string[] = []

/** Begins a step. */
export function step(title: string): void {
  steps++
  console.log(`\n${paint(1, `${steps}. ${title}`)}`)
}

/** A line of explanation. */
export function say(text: string): void {
  console.log(`   ${text}`)
}

/** Something that goes over the wire or is typed. */
export function show(prefix: '>' | '<' | '$', text: string): void {
  for (const line of text.trimEnd().split('\n')) console.log(paint(2, `   ${prefix} ${line}`))
}

/** Says whether what was told has happened; a step that did not come out makes the whole run fail. */
export function told(what: string, happened: boolean): void {
  console.log(`   ${happened ? paint(32, 'ok') : paint(31, 'NOT AS TOLD')}: ${what}`)
  if (!happened) wrong.push(`${steps}: ${what}`)
}

/** The steps that did not come out as told. */
export function failures(): readonly string[] {
  return wrong
}

/** A secret or long text, shortened to its beginning. */
export function short(text: string, keep = 16): string {
  return text.length <= keep + 1 ? text : `${text.slice(0, keep)}…`
}

/** A challenge or credential with its long parts shortened. */
export function shortened(header: string): string {
  return header.replaceAll(/[A-Za-z0-9+/=_-]{40,}/g, (match) => short(match, 14))
}
