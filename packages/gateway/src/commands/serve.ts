import type { Command } from './command.ts'
export const serveCommand: Command = { summary: 'runs the gateway', help: '', run: async () => 0 }
