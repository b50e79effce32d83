/** A number above 0 out of an environment variable. */
export function countFrom(variable: string, usual: number): number {
  const count = Number(process.env[variable] ?? usual)
  if (!(count > 0)) throw new Error(`${variable}: expected a number above 0, got ${process.env[variable]}`)
  return count
}
