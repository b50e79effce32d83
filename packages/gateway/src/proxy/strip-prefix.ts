/** `path` without `prefix`, where it begins with it as whole segments; else as it is. Starts with `/` either way. */
export function stripPrefix(path: string, prefix: string): string {
  if (!path.startsWith(prefix)) return path
  const rest = path.slice(prefix.length)
  if (rest === '') return '/'
  return rest.startsWith('/') ? rest : path
}
