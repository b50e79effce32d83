/** What an operator may change of a running gateway: its configuration as a whole, its services, its keys, its life. */

import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import { parse, stringify } from 'yaml'
import { CommandError, exitCode } from '../cli/exit.ts'
import type { Config } from '../config/config.ts'
import { appendKey, readKeyFile, retireKey, type StoredKey } from '../config/key-file.ts'
import type { OverlayText } from '../config/overlay.ts'
import { merged } from '../config/overlay.ts'
import { restartOnly } from '../config/restart-only.ts'
import type { Gateway } from '../gateway.ts'
import { describeError } from '../log.ts'

/** A service as it is written: what JSON can say, with variables as they stand there. */
export type ServiceDocument = Readonly<Record<string, unknown>>

/** A key as it may be shown. */
interface ShownKey {
  readonly id: string
  /** Milliseconds since 1970; `null` for a key of the environment. */
  readonly createdAtMs: number | null
  readonly state: 'mints' | 'opens' | 'retired'
}

/** See the file's comment. Changes follow each other; each is in force as a whole, or changes nothing and throws why. */
export interface Control {
  services(): ReadonlyMap<string, ServiceDocument>
  /**
   * Changes one service by what `edit` makes of it: another document, `null` (none), or a refusal. Throws `ConfigError`
   * for what is no service.
   */
  changeService<R>(
    name: string,
    edit: (
      current: ServiceDocument | undefined,
    ) => { readonly document: ServiceDocument | null } | { readonly refusal: R },
  ): Promise<{ readonly document: ServiceDocument | null } | { readonly refusal: R }>
  keys(): readonly ShownKey[]
  rotateKey(): Promise<ShownKey>
  /** Throws `CommandError` where it is not there, or is the last one. */
  retireKey(id: string): Promise<void>
  /** Reads everything again; answers the names of what is in force after the next start only. */
  reload(): Promise<readonly string[]>
  /** As TERM does. */
  drain(): void
}

/** What control works with. */
export interface ControlOptions {
  readonly config: Config
  readonly load: () => Config
  /** The configuration in force with another overlay. Throws `ConfigError`. */
  readonly reparse: (config: Config, overlay: OverlayText | undefined) => Config
  readonly loadAllKeys: (config: Config) => readonly StoredKey[]
  readonly warnAbout: (config: Config) => void
  readonly drain: () => void
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
}

/** A control whose gateway comes later, since the gateway's admin listener needs it. */
export interface AttachableControl extends Control {
  attach(gateway: Pick<Gateway, 'reload'>): void
}

/** See {@link Control}. */
export function createControl(options: ControlOptions): AttachableControl {
  const { load, reparse, loadAllKeys, warnAbout, log } = options
  let current = options.config
  let gateway: Pick<Gateway, 'reload'> | undefined
  let last: Promise<unknown> = Promise.resolve()

  function alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work)
    last = mine.catch(() => {})
    return mine
  }

  async function apply(next: Config): Promise<readonly string[]> {
    const keys = loadAllKeys(next)
    await gateway?.reload(next, keys)
    const late = restartOnly(current, next)
    current = next
    if (late.length > 0) log.warn(`${late.join(', ')} changed: in force after the next start`)
    warnAbout(next)
    const mintingKey = keys.findLast(({ active }) => active)?.id
    log.info({ mintingKey }, 'configuration reloaded')
    return late
  }

  const overlayOf = (config: Config): Record<string, ServiceDocument | null> =>
    servicesIn(config.overlay.text) as Record<string, ServiceDocument | null>

  const documents = (config: Config): ReadonlyMap<string, ServiceDocument> =>
    new Map(
      Object.entries(
        (merged(servicesIn(config.overlay.mainText), overlayOf(config)) ?? {}) as Record<
          string,
          ServiceDocument
        >,
      ),
    )

  const shownKeys = (): readonly ShownKey[] => {
    const keys = loadAllKeys(current)
    const minting = keys.findLast(({ active }) => active)?.id
    return keys.map(({ id, active, createdAt }) => ({
      id,
      createdAtMs: createdAt === 0 ? null : createdAt,
      state: !active ? 'retired' : id === minting ? 'mints' : 'opens',
    }))
  }

  return {
    attach(started) {
      gateway = started
    },
    services: () => documents(current),
    changeService: (name, edit) =>
      alone(async () => {
        const edited = edit(documents(current).get(name))
        if ('refusal' in edited) return edited
        const { file, shown, text: before, mainText } = current.overlay
        const overlay = { ...overlayOf(current) }
        if (edited.document !== null || Object.hasOwn(servicesIn(mainText), name))
          overlay[name] = edited.document
        else delete overlay[name]
        const text = HEADER + stringify({ services: overlay })
        const next = reparse(current, { file: shown, text })
        replaceFile(file, text)
        try {
          await apply(next)
        } catch (error) {
          replaceFile(file, before)
          throw error
        }
        return edited
      }),
    keys: shownKeys,
    rotateKey: () =>
      alone(async () => {
        const { id } = appendKey(keyFile(current))
        await apply(current)
        const made = shownKeys().find((key) => key.id === id)
        if (made === undefined)
          throw new CommandError(exitCode.failed, 'the new key is not in the key file any more')
        return made
      }),
    retireKey: (id) =>
      alone(async () => {
        const key = shownKeys().find((each) => each.id === id)
        if (key === undefined) throw new CommandError(exitCode.usage, `there is no key "${id}"`)
        if (key.state === 'retired') return
        if (shownKeys().filter(({ state }) => state !== 'retired').length === 1)
          throw new CommandError(exitCode.failed, `${id} is the last key in use, expected another one first`)
        const file = current.keys.files.find((each) => readKeyFile(each).some((stored) => stored.id === id))
        if (file === undefined)
          throw new CommandError(
            exitCode.failed,
            'the key comes from the environment, expected it in a key file',
          )
        retireKey(file, id)
        await apply(current)
      }),
    reload: () =>
      alone(async () => {
        try {
          return await apply(load())
        } catch (error) {
          log.error(`configuration not reloaded, the old one stays in force: ${describeError(error)}`)
          throw error
        }
      }),
    drain: () => options.drain(),
  }
}

const HEADER = `# Services that were changed through the admin API; each takes the place of the one with its name in the configuration
# beside this file, null takes it away. Written by the gateway: it may be edited while the gateway does not run.
`

/** The services of a text that has been read before, as they are written. */
function servicesIn(text: string | undefined): Readonly<Record<string, unknown>> {
  const value: unknown = text === undefined ? undefined : parse(text)
  const services =
    typeof value === 'object' && value !== null && 'services' in value ? value.services : undefined
  return typeof services === 'object' && services !== null ? { ...services } : {}
}

function keyFile({ keys }: Config): string {
  const [file] = keys.files
  if (file === undefined)
    throw new CommandError(exitCode.failed, 'the keys come from the environment, expected a key file')
  return file
}

/** By one that is on disk before it takes its place; without a text it is removed. */
function replaceFile(file: string, text: string | undefined): void {
  if (text === undefined) {
    rmSync(file, { force: true })
    return
  }
  const draft = `${file}.new`
  const descriptor = openSync(draft, 'w', 0o600)
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(draft, file)
  const folder = openSync(dirname(file), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
