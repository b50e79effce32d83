/** Which service a condition's name concerns. Names are compared byte for byte (protocol §5). */

/** The conditions that carry a service's name in front: `<service>_<name>`. */
const SERVICE_CONDITIONS = [
  'capabilities',
  'valid_until',
  'max_calls',
  'max_spend_msat',
  'credit_msat',
  'rate',
  'methods',
  'paths',
  'ip',
  'origin',
] as const
/** The conditions that concern every service. */
const COMMON_CONDITIONS = ['services', 'dpop_jkt', 'crit', 'preimage'] as const

/** A condition of the table in protocol §5, without a service's name. */
export type ConditionName = (typeof SERVICE_CONDITIONS)[number] | (typeof COMMON_CONDITIONS)[number]

const serviceConditions: ReadonlySet<string> = new Set(SERVICE_CONDITIONS)
const commonConditions: ReadonlySet<string> = new Set(COMMON_CONDITIONS)

const NONE: ReadonlySet<string> = new Set()

function isServiceCondition(name: string): name is ConditionName {
  return serviceConditions.has(name)
}

function isCommonCondition(name: string): name is ConditionName {
  return commonConditions.has(name)
}

/** The condition of the table that this one is for `service`; `undefined` for another service's, or an unknown one. */
export function conditionFor(service: string, condition: string): ConditionName | undefined {
  if (isCommonCondition(condition)) return condition
  if (!hasPrefix(condition, service)) return undefined
  const name = condition.slice(service.length + 1)
  return isServiceCondition(name) ? name : undefined
}

function hasPrefix(condition: string, service: string): boolean {
  return (
    condition.length > service.length && condition[service.length] === '_' && condition.startsWith(service)
  )
}

/** Splits `<service>_<name>` where the name is one of the table. At most one can be, as none ends in another. */
function splitCondition(condition: string): { service: string; name: ConditionName } | undefined {
  for (const name of SERVICE_CONDITIONS) {
    const length = condition.length - name.length - 1
    if (length > 0 && condition.endsWith(name) && condition[length] === '_') {
      return { service: condition.slice(0, length), name }
    }
  }
  return undefined
}

/** What a service nobody here has heard of may be called; ` svc_methods` with its space is an unknown condition. */
const PLAIN_SERVICE = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

/**
 * Whether a condition that is none of `service`'s own concerns another service: it begins with a known one's name
 * (the longest that fits decides), or it is of the shape `<other>_<name>`.
 */
export function concernsAnother(
  service: string,
  condition: string,
  known: ReadonlySet<string> = NONE,
): boolean {
  const split = splitCondition(condition)
  if (split !== undefined && PLAIN_SERVICE.test(split.service)) return true
  let longest = hasPrefix(condition, service) ? service.length : -1
  let another = false
  for (const other of known) {
    if (other.length > longest && hasPrefix(condition, other)) {
      longest = other.length
      another = true
    }
  }
  return another
}

/**
 * The condition of the table that `crit` may count as understood here: a common one, the service's own, or one of
 * another service that is known, where it is enforced.
 */
export function understoodCondition(
  service: string,
  condition: string,
  known: ReadonlySet<string> = NONE,
): ConditionName | undefined {
  const own = conditionFor(service, condition)
  if (own !== undefined) return own
  const split = splitCondition(condition)
  return split && known.has(split.service) ? split.name : undefined
}
