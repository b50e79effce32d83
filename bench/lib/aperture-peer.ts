/** A real Aperture of the lab, on the proxy's core. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { makeFolder, spawnChild } from './clean-up.ts'
import { pinned } from './cores.ts'
import type { LabNode } from './lab.ts'
import { freePort, lastWords, type Peer, peer, until } from './peer.ts'

/** Aperture with `/pass/…` sold and `/free/…` not, over plain HTTP, its books in SQLite. */
export async function startAperture(
  lab: string,
  { node, upstream }: { readonly node: LabNode; readonly upstream: string },
): Promise<Peer> {
  const { labBinary } = (await import(pathToFileURL(join(lab, 'binaries.mjs')).href)) as {
    labBinary(name: string): string
  }
  const folder = makeFolder()
  const port = await freePort()
  const service = (name: string, more: object): object => ({
    name,
    hostregexp: '.*',
    pathregexp: `^/${name}/.*$`,
    address: new URL(upstream).host,
    protocol: 'http',
    ...more,
  })
  const file = join(folder, 'aperture.yaml')
  // JSON is YAML.
  const config = {
    listenaddr: `127.0.0.1:${port}`,
    insecure: true,
    debuglevel: 'error',
    basedir: folder,
    dbbackend: 'sqlite',
    sqlite: { databasefilename: join(folder, 'aperture.db') },
    authenticator: { network: 'regtest', lndhost: node.grpc, tlspath: node.tls, macdir: node.macaroonDir },
    services: [service('pass', { price: 10 }), service('free', { auth: 'off' })],
  }
  writeFileSync(file, JSON.stringify(config))
  const [command, args] = pinned('proxy', labBinary('aperture'), [`--configfile=${file}`])
  const child = spawnChild(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const check = lastWords(child)
  const url = `http://127.0.0.1:${port}`
  await until('Aperture', async () => {
    check()
    return (await fetch(`${url}/free/x`).catch(() => undefined)) ?? undefined
  })
  return peer(child, url, folder)
}
