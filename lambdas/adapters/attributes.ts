/** DynamoDB's attribute values, written and read. */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { decodeBase64Url, encodeBase64Url } from "@tacit/protocol";

export type Item = Record<string, AttributeValue>;

export const text = (value: string): AttributeValue => ({ S: value });
export const number = (value: number): AttributeValue => ({ N: String(value) });
/** Of base64url, so that it takes three quarters of the room. */
export const binary = (base64Url: string): AttributeValue => ({ B: decodeBase64Url(base64Url) });
export const list = (values: readonly string[]): AttributeValue => ({ L: values.map(text) });

/** What is stored is not what was written: a bug, or another program's work. */
export class UnreadableItem extends Error {
  override readonly name = "UnreadableItem";
  constructor(attribute: string) {
    super(`attribute ${attribute}`);
  }
}

export function readText(item: Item, name: string): string {
  const value = item[name]?.S;
  if (value === undefined) throw new UnreadableItem(name);
  return value;
}

export function readNumber(item: Item, name: string): number {
  const value = Number(item[name]?.N ?? Number.NaN);
  if (!Number.isFinite(value)) throw new UnreadableItem(name);
  return value;
}

export function readBinary(item: Item, name: string): string {
  const value = item[name]?.B;
  if (value === undefined) throw new UnreadableItem(name);
  return encodeBase64Url(value);
}

export function readList(item: Item, name: string): readonly string[] {
  return (item[name]?.L ?? []).flatMap(({ S }) => (S === undefined ? [] : [S]));
}

export function readMap(item: Item, name: string): Item {
  return item[name]?.M ?? {};
}
