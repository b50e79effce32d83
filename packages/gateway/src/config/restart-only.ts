import type { Config } from './config.ts'

/** The keys that differ between two configurations and that a running gateway cannot change. */
export function restartOnly(before: Config, after: Config): readonly string[] {
  const parts: Readonly<Record<string, (config: Config) => unknown>> = {
    listen: (config) => config.listen,
    tls: (config) => [config.tls !== undefined, config.tls?.clientAuth],
    network: (config) => config.network,
    lightning: ({ lightning }) => lightning.map(({ backend, settings }) => [backend, settings]),
    store: (config) => config.store,
    'keys.aperture': (config) => config.keys.aperture,
    sessions: ({ sessions }) =>
      sessions && {
        ...sessions,
        mostMsat: String(sessions.mostMsat),
        refunds: { ...sessions.refunds, position: 0 },
      },
    forwardAuth: (config) => config.forwardAuth,
    admin: (config) => config.admin,
    'log.access': (config) => config.log.access,
    tracing: (config) => config.tracing,
    workers: (config) => config.workers,
  }
  return Object.entries(parts)
    .filter(([, part]) => JSON.stringify(part(before)) !== JSON.stringify(part(after)))
    .map(([name]) => name)
}
