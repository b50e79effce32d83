import type { ParseArgsOptionsConfig } from 'node:util'
import { type BackendKind, kindsFor, settingKeys } from '@turnpike/l402/lightning/kinds'

/** `macaroonFile` as `macaroon-file`. */
export function flagOf(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** The flags of a kind. A secret is only ever named by its file: a command line is for everybody to read. */
export function flagsOf(kind: BackendKind): readonly { readonly flag: string; readonly key: string }[] {
  return settingKeys(kind, 'pay')
    .filter(({ secret }) => !secret)
    .map(({ key }) => ({ flag: flagOf(key), key }))
}

/** The flags of all kinds together, for the parser. */
export const WALLET_FLAGS: ParseArgsOptionsConfig = Object.fromEntries(
  kindsFor('pay')
    .flatMap((kind) => flagsOf(kind))
    .map(({ flag }) => [flag, { type: 'string' as const }]),
)
