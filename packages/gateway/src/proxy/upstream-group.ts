/** Several addresses of one service: which of them gets a request, and which of them are well. */

import { Readable } from 'node:stream'
import type { UpstreamTarget } from './routing.ts'
import type { Upstream, UpstreamHandler, UpstreamRequest } from './upstream-pools.ts'
import { Watched } from './watched-upstream.ts'

/** How an upstream is asked whether it is well. */
export interface HealthCheck {
  /** From the root of its origin. Well is every status from 200 to 399. */
  readonly path: string
  readonly intervalMs: number
  readonly timeoutMs: number
  /** So many failures in a row and it gets no requests. */
  readonly failAfter: number
  /** So many successes in a row and it gets them again. */
  readonly passAfter: number
}

/** When an upstream is left out because requests to it failed. */
export interface Ejection {
  /** In a row. */
  readonly failures: number
  readonly forMs: number
}

/** The upstreams of one service. */
export interface UpstreamGroup {
  /** The service's name. */
  readonly service: string
  /** At least one. */
  readonly targets: readonly UpstreamTarget[]
  readonly balance: 'round-robin' | 'least-busy'
  /** How many more times a request is sent of which nothing went out. */
  readonly retries: number
  readonly health?: HealthCheck
  readonly eject?: Ejection
}

/** How one upstream of a group is doing. */
export interface UpstreamState {
  readonly service: string
  /** Its address, with its path. */
  readonly upstream: string
  /** By the active checks; `true` without any. */
  readonly healthy: boolean
  /** Left out because requests to it failed. */
  readonly ejected: boolean
}

/** The services none of whose upstreams is well. */
export function unwellServices(states: readonly UpstreamState[]): readonly string[] {
  const well = new Set(
    states.flatMap(({ service, healthy, ejected }) => (healthy && !ejected ? service : [])),
  )
  return [...new Set(states.map(({ service }) => service))].filter((service) => !well.has(service))
}

/** What a {@link Balancer} is made with. */
export interface BalancerOptions {
  readonly group: UpstreamGroup
  /** The connections to an upstream. */
  readonly poolOf: (target: UpstreamTarget) => Upstream
  /** Told when the state of an upstream changes. */
  readonly onState?: ((state: UpstreamState) => void) | undefined
  /** Milliseconds of a clock that is never set back. */
  readonly now?: () => number
}

/** One upstream, and what is known about it. */
export class Member {
  readonly target: UpstreamTarget
  /** Requests that run. */
  busy = 0
  healthy = true
  /** By the clock of the balancer; in the past: not ejected. */
  ejectedUntil = Number.NEGATIVE_INFINITY
  ejected = false
  failures = 0

  constructor(target: UpstreamTarget) {
    this.target = target
  }
}

/**
 * Picks an upstream for each request. One that is well and not ejected comes first. Where there is none, one that is only
 * ejected, and then one whose checks fail, is tried all the same: what the gateway believes may be out of date, a refused
 * connection costs nothing, and the use is given back. So nobody is locked out of a service that works.
 */
export class Balancer {
  readonly group: UpstreamGroup
  readonly members: readonly Member[]
  readonly #options: BalancerOptions
  readonly #now: () => number
  #next = 0

  constructor(options: BalancerOptions) {
    this.group = options.group
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.members = options.group.targets.map((target) => new Member(target))
  }

  /** The way of one request. */
  open(): GroupedUpstream {
    return new GroupedUpstream(this)
  }

  poolOf(member: Member): Upstream {
    return this.#options.poolOf(member.target)
  }

  /** The next upstream, preferably none of `tried`. */
  pick(tried: readonly Member[]): Member {
    const { members, group } = this
    const start = this.#next
    this.#next = (start + 1) % members.length
    const now = this.#now()
    let best: Member | undefined
    let bestRank = Number.POSITIVE_INFINITY
    for (let i = 0; i < members.length; i++) {
      const member = members[(start + i) % members.length] as Member
      if (member.ejected && member.ejectedUntil <= now) this.#return(member)
      const rank = (member.healthy ? 0 : 2) + (member.ejected ? 1 : 0) + (tried.includes(member) ? 4 : 0)
      const idler = group.balance === 'least-busy' && best !== undefined && member.busy < best.busy
      if (rank < bestRank || (rank === bestRank && idler)) {
        best = member
        bestRank = rank
      }
    }
    return best as Member
  }

  /** It has answered. */
  answered(member: Member): void {
    member.failures = 0
  }

  /** It could not be reached, broke off before it had answered, or did not answer in time. */
  failed(member: Member): void {
    const { eject } = this.group
    if (eject === undefined) return
    member.failures++
    if (member.failures < eject.failures) return
    member.ejectedUntil = this.#now() + eject.forMs
    if (member.ejected) return
    member.ejected = true
    this.#tell(member)
  }

  /** What an active check has found. */
  checked(member: Member, healthy: boolean): void {
    if (member.healthy === healthy) return
    member.healthy = healthy
    this.#tell(member)
  }

  states(): UpstreamState[] {
    const now = this.#now()
    return this.members.map((member) => this.#state(member, member.ejected && member.ejectedUntil > now))
  }

  /** On probation: the next failure ejects it again. */
  #return(member: Member): void {
    member.ejected = false
    member.failures = (this.group.eject?.failures ?? 1) - 1
    this.#tell(member)
  }

  #tell(member: Member): void {
    this.#options.onState?.(this.#state(member, member.ejected))
  }

  #state({ target, healthy }: Member, ejected: boolean): UpstreamState {
    return { service: this.group.service, upstream: `${target.origin}${target.basePath}`, healthy, ejected }
  }
}

/** The upstream of one request: whichever the balancer picks, and another where nothing could be sent to the first. */
export class GroupedUpstream implements Upstream {
  readonly #balancer: Balancer
  readonly #tried: Member[] = []
  #path: string | undefined
  #member: Member | undefined

  constructor(balancer: Balancer) {
    this.#balancer = balancer
  }

  dispatch(request: UpstreamRequest, handler: UpstreamHandler): void {
    this.#path = request.path
    this.#send(request, handler)
  }

  /** To the same one: it has closed a kept connection, which says nothing about it. */
  dispatchAfresh(request: UpstreamRequest, handler: UpstreamHandler): void {
    const member = this.#member ?? this.#balancer.pick(this.#tried)
    request.path = `${member.target.basePath}${this.#path ?? request.path}`
    this.#balancer.poolOf(member).dispatchAfresh(request, this.#watch(member, request, { handler }))
  }

  /** The one that was asked has not answered in time. */
  timedOut(): void {
    if (this.#member !== undefined) this.#balancer.failed(this.#member)
  }

  /** The connections are not its own. */
  async close(): Promise<void> {}
  async destroy(): Promise<void> {}

  #send(request: UpstreamRequest, handler: UpstreamHandler): void {
    const member = this.#balancer.pick(this.#tried)
    this.#member = member
    this.#tried.push(member)
    request.path = `${member.target.basePath}${this.#path ?? ''}`
    const again = (): boolean => {
      if (this.#tried.length > this.#balancer.group.retries || isGone(request.body)) return false
      this.#send(request, handler)
      return true
    }
    this.#balancer.poolOf(member).dispatch(request, this.#watch(member, request, { handler, again }))
  }

  #watch(
    member: Member,
    { body }: UpstreamRequest,
    { handler, again }: { handler: UpstreamHandler; again?: () => boolean },
  ): Watched {
    member.busy++
    return new Watched(handler, {
      answered: () => this.#balancer.answered(member),
      failed: () => {
        if (!isGone(body)) this.#balancer.failed(member)
      },
      over: () => {
        member.busy--
      },
      again: again ?? (() => false),
    })
  }
}

/** Whether a body that is streamed was given up before its end: its client is the reason, and there is nothing to send again. */
function isGone(body: unknown): boolean {
  return body instanceof Readable && body.destroyed && !body.readableEnded
}
