/** IAM wildcards: `*` any run of characters, `?` any one. */
export function matchesWildcard(pattern: string, value: string, ignoreCase = false): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", "[^]*")
    .replaceAll("?", "[^]");
  return new RegExp(`^${expression}$`, ignoreCase ? "i" : "").test(value);
}
