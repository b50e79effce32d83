export { type PaidToolHandler, type PaidToolOptions, paidTool, type ToolToll } from './paid-tool.ts'
export {
  type PayingTools,
  type PayingToolsOptions,
  payingTools,
  type ToolCall,
  type ToolCaller,
  type ToolPayment,
} from './paying-tools.ts'
export type { ToolResult } from './wire.ts'
