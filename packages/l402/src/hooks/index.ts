export { type ExecHookOptions, execHook } from './exec-hook.ts'
