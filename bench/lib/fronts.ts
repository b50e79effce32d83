/** Plain reverse proxies beside the gateway: nginx and Caddy, with kept connections both ways, on one core. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, spawnChild } from './clean-up.ts'
import { pinned } from './cores.ts'
import { freePort, isInstalled, lastWords, type Peer, peer, until } from './peer.ts'

/** What is behind a proxy: HTTP/1.1, and a gRPC server under `/bench.…`. */
export interface Upstreams {
  readonly h1: string
  readonly grpc?: string
}

/** A started proxy. */
export interface Front extends Peer {
  /** Where it speaks HTTP/2 without TLS. */
  readonly h2: string
}

/** nginx in one process; `undefined` where it is not installed. */
export async function startNginx(upstreams: Upstreams): Promise<Front | undefined> {
  if (!isInstalled('nginx', '-v')) return undefined
  const folder = makeFolder()
  const [port, h2Port] = [await freePort(), await freePort()]
  const locations = `
    location / { proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; }
    location = /sse {
      proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 1h;
    }
    ${upstreams.grpc === undefined ? '' : 'location /bench. { grpc_pass grpc://calls; }'}`
  const calls = `upstream calls { server ${hostOf(upstreams.grpc)}; keepalive 128; keepalive_requests 100000000; }`
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 32768; }
http {
  access_log off; keepalive_requests 100000000;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  upstream api { server ${hostOf(upstreams.h1)}; keepalive 128; keepalive_requests 100000000; }
  ${upstreams.grpc === undefined ? '' : calls}
  server { listen 127.0.0.1:${port} backlog=4096; ${locations} }
  server { listen 127.0.0.1:${h2Port} http2; ${locations} }
}
`,
  )
  const [command, args] = pinned('proxy', 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')])
  const started = await start([command, args], { port, folder })
  return { ...started, h2: `http://127.0.0.1:${h2Port}` }
}

/** Caddy, both protocols on one listener; `undefined` where it is not installed. */
export async function startCaddy(upstreams: Upstreams): Promise<Front | undefined> {
  if (!isInstalled('caddy', 'version')) return undefined
  const folder = makeFolder()
  const port = await freePort()
  const calls = `reverse_proxy /bench.* h2c://${hostOf(upstreams.grpc)}`
  writeFileSync(
    join(folder, 'Caddyfile'),
    `{
  admin off
  auto_https off
  log {
    level ERROR
  }
  servers {
    protocols h1 h2c
  }
}
http://127.0.0.1:${port} {
  ${upstreams.grpc === undefined ? '' : calls}
  reverse_proxy ${upstreams.h1} {
    flush_interval -1
    transport http {
      keepalive_idle_conns_per_host 128
    }
  }
}
`,
  )
  const [command, args] = pinned('proxy', 'caddy', [
    'run',
    '--adapter',
    'caddyfile',
    '--config',
    join(folder, 'Caddyfile'),
  ])
  const started = await start([command, args], { port, folder })
  return { ...started, h2: started.url }
}

async function start(
  [command, args]: [string, string[]],
  { port, folder }: { readonly port: number; readonly folder: string },
): Promise<Peer> {
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }
  const child = spawnChild(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env })
  const check = lastWords(child)
  const url = `http://127.0.0.1:${port}`
  await until(command, async () => {
    check()
    return (await fetch(url).catch(() => undefined)) ?? undefined
  })
  return peer(child, url, folder)
}

const hostOf = (url: string | undefined): string => (url === undefined ? '' : new URL(url).host)
