export {
  type SandboxAnswer,
  type SandboxBalances,
  type SandboxRoutes,
  sandboxRoutes,
} from '../sandbox-http.ts'
export { type Sandbox, sandboxLightning } from './sandbox.ts'
export type { SandboxOptions } from './settings.ts'
