import type { Balancer, HealthCheck, Member } from './upstream-group.ts'
import type { UpstreamHandler } from './upstream-pools.ts'

/** Asks every upstream of a group again and again whether it is well, the first time at once. Answers how to stop. */
export function startHealthChecks(balancer: Balancer, check: HealthCheck): () => void {
  const rounds = balancer.members.map((member) => {
    let run = 0
    let last: boolean | undefined
    let asking = false
    return async (): Promise<void> => {
      if (asking) return
      asking = true
      const well = await ask(balancer, member, check)
      asking = false
      if (stopped) return
      run = well === last ? run + 1 : 1
      last = well
      if (run >= (well ? check.passAfter : check.failAfter)) balancer.checked(member, well)
    }
  })
  let stopped = false
  const askAll = (): void => {
    for (const round of rounds) void round()
  }
  const timer = setInterval(askAll, check.intervalMs)
  timer.unref()
  askAll()
  return () => {
    stopped = true
    clearInterval(timer)
  }
}

/** One check. Never throws. */
function ask(balancer: Balancer, member: Member, { path, timeoutMs }: HealthCheck): Promise<boolean> {
  return new Promise((resolve) => {
    let abort: ((error?: Error) => void) | undefined
    let late = false
    const timer = setTimeout(() => {
      late = true
      abort?.(new Error('the check took too long'))
      resolve(false)
    }, timeoutMs)
    timer.unref()
    const done = (well: boolean): void => {
      clearTimeout(timer)
      resolve(well)
    }
    let status = 0
    const handler: UpstreamHandler = {
      onConnect(stop) {
        if (late) throw new Error('the check took too long')
        abort = stop
      },
      onHeaders(code) {
        status = code
        return true
      },
      // The body is of no interest, and must not keep the check from ending.
      onData: () => true,
      onComplete: () => done(status >= 200 && status < 400),
      onError: () => done(false),
    }
    const headers = ['User-Agent', 'turnpike-health-check']
    try {
      balancer.poolOf(member).dispatch({ path, method: 'GET', headers, body: null }, handler)
    } catch {
      done(false)
    }
  })
}
