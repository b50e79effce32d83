#!/usr/bin/env node
// Plain old JavaScript: an old Node has to be able to read this far to say that it is too old.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(
    'turnpike needs Node 22.13 or newer; this is Node ' +
      process.versions.node +
      '. Install a current Node and try again.\n',
  )
  process.exit(1)
}
const { main } = await import('../dist/main.js')
await main(process.argv.slice(2))
