/** An update expression that sets attributes. */
import type { Item } from "./attributes.ts";

/** `SET` of all attributes, every name behind a placeholder: some are reserved words. */
export function setting(attributes: Item): { expression: string; names: Record<string, string>; values: Item } {
  const entries = Object.entries(attributes);
  return {
    expression: "SET " + entries.map(([name]) => `#${name} = :${name}`).join(", "),
    names: Object.fromEntries(entries.map(([name]) => [`#${name}`, name])),
    values: Object.fromEntries(entries.map(([name, value]) => [`:${name}`, value])),
  };
}
