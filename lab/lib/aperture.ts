/** A real Aperture with a whole configuration of the caller's. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { freePort } from './programs.ts'

/** One that serves. */
export interface RunningAperture {
  readonly url: string
  /** The file it was started with, as JSON. */
  readonly file: string
  close(): Promise<void>
}

/** Starts it in a folder and waits until it answers. `config` gets the port to listen on. Throws with its last words. */
export async function startWholeAperture(
  lab: string,
  { folder, config }: { readonly folder: string; readonly config: (port: number) => Record<string, unknown> },
): Promise<RunningAperture> {
  const { labBinary } = await import(pathToFileURL(join(lab, 'binaries.mjs')).href)
  const port = await freePort()
  const file = join(folder, 'aperture.yaml')
  writeFileSync(file, JSON.stringify(config(port), null, 2))
  const log = join(folder, 'aperture.log')
  const out = openSync(log, 'a')
  const child: ChildProcess = spawn(labBinary('aperture'), [`--configfile=${file}`], {
    stdio: ['ignore', out, out],
  })
  const sweep = (): void => void child.kill('SIGKILL')
  process.on('exit', sweep)
  const url = `http://127.0.0.1:${port}`
  const end = Date.now() + 60_000
  while (!(await answers(url))) {
    if (child.exitCode !== null || Date.now() > end) {
      sweep()
      throw new Error(`aperture did not start: ${readFileSync(log, 'utf8').trim().split('\n').at(-1)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return {
    url,
    file,
    async close() {
      process.removeListener('exit', sweep)
      if (child.exitCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGINT')
      const limit = setTimeout(sweep, 10_000)
      await gone
      clearTimeout(limit)
    },
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url)
    return true
  } catch {
    return false
  }
}
