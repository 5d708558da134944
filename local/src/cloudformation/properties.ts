/** Reads the properties of one resource; what was neither read nor declared to be without local effect stops the start. */
import { LocalCloudError } from "../localCloudError.ts";

type Values = Readonly<Record<string, unknown>>;

export interface Properties {
  readonly where: string;
  has(name: string): boolean;
  text(name: string): string;
  optionalText(name: string): string | null;
  number(name: string, otherwise: number): number;
  flag(name: string): boolean;
  texts(name: string): readonly string[];
  /** A nested object, null when absent. */
  object(name: string): Properties | null;
  objects(name: string): readonly Properties[];
  raw(name: string): unknown;
  /** These change nothing that the local cloud shows. */
  ignore(...names: readonly string[]): void;
  /** Only this value, or none, is hosted. */
  only(name: string, value: string | number | boolean): void;
  /** Throws when a property was not accounted for, here or in a nested object that was read. */
  finish(): void;
}

export function readProperties(values: Values, where: string): Properties {
  const seen = new Set<string>();
  const nested: Properties[] = [];
  const take = (name: string): unknown => {
    seen.add(name);
    return values[name];
  };
  const descend = (value: unknown, place: string): Properties => {
    const child = readProperties(value as Values, place);
    nested.push(child);
    return child;
  };
  return {
    where,
    has: (name) => values[name] !== undefined,
    text(name) {
      const value = take(name);
      if (typeof value !== "string") throw new LocalCloudError(`${where}.${name}: a string is required`);
      return value;
    },
    optionalText(name) {
      const value = take(name) as string | number | undefined;
      return value === undefined ? null : String(value);
    },
    number(name, otherwise) {
      const value = take(name);
      return value === undefined ? otherwise : Number(value);
    },
    flag: (name) => String(take(name)) === "true",
    texts(name) {
      const value = take(name) ?? [];
      return (Array.isArray(value) ? value : [value]).map(String);
    },
    object(name) {
      const value = take(name);
      return value === undefined ? null : descend(value, `${where}.${name}`);
    },
    objects(name) {
      const value = (take(name) ?? []) as readonly unknown[];
      return value.map((item, index) => descend(item, `${where}.${name}[${index}]`));
    },
    raw: take,
    ignore: (...names) => names.forEach((name) => seen.add(name)),
    only(name, expected) {
      const value = take(name);
      // Templates write flags as booleans or as text.
      if (value !== undefined && JSON.stringify(value).replaceAll('"', "") !== String(expected)) {
        throw new LocalCloudError(`${where}.${name}: ${JSON.stringify(value)} is not hosted, only ${String(expected)}`);
      }
    },
    finish() {
      const unknown = Object.keys(values).find((name) => !seen.has(name));
      if (unknown !== undefined) throw new LocalCloudError(`${where}.${unknown}: this property is not understood`);
      nested.forEach((child) => child.finish());
    },
  };
}
