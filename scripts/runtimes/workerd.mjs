// A Worker in workerd, by miniflare from npm. workerd has no Node modules here: what it gets is bundled as for a browser.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { installed } from './installed.mjs'

/** Of miniflare. */
const VERSION = '4.20260730.0'

/** Starts what esbuild makes of `entry` with miniflare's `options`; `{ skip }` where there is no workerd. To be disposed of. */
export async function startWorker(cache, entry, options) {
  if (Number(process.versions.node.split('.')[0]) < 22)
    return { skip: `miniflare needs Node 22, this is ${process.versions.node}` }
  const { ok, folder, why } = installed(cache, 'miniflare', VERSION)
  if (!ok) return { skip: why }
  const { build } = await import('esbuild')
  const bundle = await build({
    ...entry,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'browser', 'import'],
    logLevel: 'silent',
  })
  const { Miniflare } = await import(
    pathToFileURL(join(folder, 'node_modules', 'miniflare', 'dist', 'src', 'index.js')).href
  )
  const miniflare = new Miniflare({
    modules: true,
    script: bundle.outputFiles[0].text,
    compatibilityDate: '2026-07-01',
    cf: false,
    ...options,
  })
  return { miniflare, version: VERSION }
}
