// Ends with 0 when the gateway is ready, else with 1. TURNPIKE_ADMIN is where its admin listener is.
const admin = process.env.TURNPIKE_ADMIN ?? 'http://127.0.0.1:8403'
try {
  const answer = await fetch(`${admin}/readyz`, { signal: AbortSignal.timeout(2_500) })
  process.exit(answer.ok ? 0 : 1)
} catch {
  process.exit(1)
}
