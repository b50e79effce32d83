import type { ParseArgsOptionsConfig } from 'node:util'

/** Options of `fare mcp` besides the ones that every command takes. */
export const MCP_FLAGS = {
  wallet: { type: 'string' },
  max: { type: 'string' },
  'ask-above': { type: 'string' },
  'no-pay': { type: 'boolean' },
  'output-dir': { type: 'string' },
  'allow-network': { type: 'string', multiple: true },
  'max-unpacked': { type: 'string' },
  'max-unpack-ratio': { type: 'string' },
  listen: { type: 'string' },
  'token-file': { type: 'string' },
} as const satisfies ParseArgsOptionsConfig
