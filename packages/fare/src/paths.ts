import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * The purse's file: `$FARE_HOME/purse.db`, else `$XDG_DATA_HOME/fare/purse.db`, else `~/.local/share/fare/purse.db`.
 */
export function purseFile(env: NodeJS.ProcessEnv): string {
  const folder = env['FARE_HOME'] || join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'fare')
  return join(folder, 'purse.db')
}

/** The settings: `$FARE_HOME/config.yaml`, else `$XDG_CONFIG_HOME/fare/config.yaml`, else `~/.config/fare/config.yaml`. */
export function configFile(env: NodeJS.ProcessEnv): string {
  const folder = env['FARE_HOME'] || join(env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'fare')
  return join(folder, 'config.yaml')
}

/** The spend grants, beside the purse. */
export function grantsFile(env: NodeJS.ProcessEnv): string {
  return join(dirname(purseFile(env)), 'grants.db')
}

/** The daemon's socket, in a folder of its own beside the purse; `FARE_SOCKET` puts it elsewhere. */
export function socketFile(env: NodeJS.ProcessEnv): string {
  return env['FARE_SOCKET'] || join(dirname(purseFile(env)), 'daemon', 'fare.sock')
}
