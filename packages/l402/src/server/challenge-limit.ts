/** Rule S10: how many challenges a client prefix may cause. */
export interface ChallengeLimitOptions {
  /** Challenges per `perSeconds` and client prefix (IPv4 /24, IPv6 /48), also the most in one burst; `null`: no limit. */
  readonly limit: number | null
  readonly perSeconds: number
  /** Whether an address is exempt, from the limit of all clients together too. */
  readonly exempt?: (clientAddress: string) => boolean
}
