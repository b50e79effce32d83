#!/usr/bin/env node
// Plain old JavaScript: an old Node has to be able to read this far to say that it is too old.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(
    'fare needs Node 22.13 or newer; this is Node ' +
      process.versions.node +
      '. Install a current Node and try again.\n',
  )
  process.exit(1)
}
// Node 22 and 24 say that their SQLite is experimental; standard error is for what fare has to say.
const shown = process.listeners('warning')
process.removeAllListeners('warning')
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') for (const show of shown) show(warning)
})
// What V8 made of the bundle is kept for the next run, in a folder that nobody else writes to: it is code.
const { XDG_CACHE_HOME, HOME } = process.env
const caches = XDG_CACHE_HOME || (HOME && `${HOME}/.cache`)
if (caches) {
  const { existsSync, mkdirSync } = process.getBuiltinModule('node:fs')
  const before = process.umask(0o077)
  try {
    for (const folder of [caches, `${caches}/fare`]) if (!existsSync(folder)) mkdirSync(folder)
    process.getBuiltinModule('node:module').enableCompileCache(`${caches}/fare`)
  } catch {
    // Without it fare starts a little later.
  }
  process.umask(before)
}
const { main } = await import('../dist/fare.js')
await main(process.argv.slice(2))
