import type { Streams } from './streams.ts'

/** What a line may look like on a terminal. */
export type Colour = 'bold' | 'red' | 'yellow' | 'plain'

const CODES: Readonly<Record<Exclude<Colour, 'plain'>, number>> = { bold: 1, red: 31, yellow: 33 }

/** A text in colour where standard output is a terminal that shows it. */
export function paint(streams: Streams, colour: Colour, text: string): string {
  return colour === 'plain' || !streams.colour ? text : `\u001b[${CODES[colour]}m${text}\u001b[0m`
}

/** Whether to write colours to a stream: on a terminal, unless `NO_COLOR` is set or it is a dumb one. */
export function wantsColour(isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  return isTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
}
