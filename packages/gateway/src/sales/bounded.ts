/** Maps that hold so much and no more. */

/** Makes room for one more: the oldest goes. */
export function bounded<T>(map: Map<string, T>, most: number): Map<string, T> {
  if (map.size >= most) {
    const [oldest] = map.keys()
    if (oldest !== undefined) map.delete(oldest)
  }
  return map
}
