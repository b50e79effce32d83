import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { BuyerOptions } from '@turnpike/l402/client'
import { type WebhookOptions, webhookApproval, webhookHook } from '@turnpike/l402/client'
import { execHook } from '@turnpike/l402/hooks'
import { ConfigError, type FareConfig } from '../config-file.ts'
import { feeReserveOf } from './fees.ts'
import { pageApproval } from './page-approval.ts'
import { terminalApproval } from './terminal-approval.ts'

/** What `config.yaml` sets of a buyer's policy. */
export type Policy = Pick<
  BuyerOptions,
  'approve' | 'approvalTimeoutMs' | 'hook' | 'hookTimeoutMs' | 'feeReserve'
>

/** Where things are. */
export interface PolicyPlaces {
  /** The configuration; files named in it are relative to its folder. */
  readonly configFile: string
  /** Private folder of the purse. */
  readonly folder: string
}

/**
 * Who approves, which hook looks on, and what may be paid in fees, as configured.
 *
 * @throws ConfigError where that cannot be set up: a purchase is never made without the hook that was meant to see it.
 */
export function policyOf({ approval, hook, fees }: FareConfig, places: PolicyPlaces): Policy {
  return {
    ...approverOf(approval, places),
    ...(approval.timeoutMs !== undefined && { approvalTimeoutMs: approval.timeoutMs }),
    ...(hook && { hook: hookOf(hook, places) }),
    ...(fees && { feeReserve: feeReserveOf(fees) }),
    ...(hook?.timeoutMs !== undefined && { hookTimeoutMs: hook.timeoutMs }),
  }
}

function approverOf(
  approval: FareConfig['approval'],
  { configFile, folder }: PolicyPlaces,
): Pick<Policy, 'approve'> {
  switch (approval.by) {
    case 'nobody':
      return {}
    case 'page': {
      const open = (file: string): void => openInBrowser(file, approval.open)
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      return { approve: pageApproval({ folder, open }) }
    }
    case 'webhook':
      return setUp(configFile, 'approval', () => ({
        approve: webhookApproval(webhookOptions(approval, configFile)),
      }))
    default: {
      const approve = terminalApproval()
      return approve ? { approve } : {}
    }
  }
}

function hookOf(
  hook: NonNullable<FareConfig['hook']>,
  { configFile }: PolicyPlaces,
): NonNullable<Policy['hook']> {
  return setUp(configFile, 'hook', () =>
    hook.exec === undefined
      ? webhookHook(webhookOptions(hook, configFile))
      : execHook({ file: hook.exec, ...(hook.timeoutMs !== undefined && { timeoutMs: hook.timeoutMs }) }),
  )
}

function webhookOptions(
  { url = '', tokenFile, secretFile }: { url?: string; tokenFile?: string; secretFile?: string },
  configFile: string,
): WebhookOptions {
  const read = (file: string): string => {
    const text = readFileSync(resolve(dirname(configFile), file), 'utf8').trim()
    if (text === '') throw new TypeError('a file that should hold a secret is empty')
    return text
  }
  return {
    url,
    ...(tokenFile !== undefined && { token: read(tokenFile) }),
    ...(secretFile !== undefined && { secret: read(secretFile) }),
  }
}

function setUp<T>(configFile: string, table: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${error.code})` : ''
    const what =
      error instanceof TypeError && code === '' ? error.message : `a file it names cannot be read${code}`
    throw new ConfigError(`${configFile}: ${table}: ${what}`)
  }
}

function openInBrowser(file: string, program: string | undefined): void {
  const own = { darwin: 'open', win32: 'explorer' }[process.platform as string] ?? 'xdg-open'
  const child = spawn(program ?? own, [file], { detached: true, stdio: 'ignore' })
  // Where nothing opens it, nobody approves: the deadline denies.
  child.on('error', () => {})
  child.unref()
}
