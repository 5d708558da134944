/**
 * What the members of a group agree on beside who they are: title, picture, roles, and which conversation the group goes on from. It is an
 * extension of the GroupContext (RFC 9420, section 13.4), so it is part of the key schedule of each epoch, changes by commits alone, and is
 * sealed from everybody who is not a member. UTF-8 JSON
 *
 *     { "v": 1, "title", "picture"?: { "hash", "size", "key" }, "owners": […], "admins": […], "generation", "predecessor"? }
 *
 * Accounts are sorted, each once. In a direct conversation both are alike: no title, no roles.
 */
import { blobReference, conversationId, encodeBase64Url, hash, type BlobReference } from "@tacit/protocol";
import { isCount, parseJson, utf8 } from "../bytes.ts";
import { parse } from "../parse.ts";

/** Of the private use range (RFC 9420, section 17.3). */
export const groupDataExtension = 0xf7ac;

export type Role = "owner" | "admin" | "member";

export interface Picture extends BlobReference {
  /** Opens the blob: XChaCha20-Poly1305, base64url. */
  readonly key: string;
}

export interface GroupData {
  readonly title: string;
  readonly picture: Picture | undefined;
  readonly owners: readonly string[];
  readonly admins: readonly string[];
  /** How often the conversation was succeeded. */
  readonly generation: number;
  /** The log that this one goes on from. */
  readonly predecessor: string | undefined;
}

/** UTF-16 code units. */
export const longestTitle = 256;

export const plainData: GroupData = {
  title: "",
  picture: undefined,
  owners: [],
  admins: [],
  generation: 0,
  predecessor: undefined,
};

export function encodeGroupData({ title, picture, owners, admins, generation, predecessor }: GroupData): Uint8Array {
  const sorted = { owners: [...owners].sort(), admins: [...admins].sort() };
  return utf8(JSON.stringify({ v: 1, title, picture, ...sorted, generation, predecessor }));
}

/** Undefined where it is not of this form. */
export function decodeGroupData(bytes: Uint8Array): GroupData | undefined {
  const data = parseJson(bytes);
  if (data?.["v"] !== 1) return undefined;
  const { title, owners, admins, generation, predecessor } = data;
  const picture = decodePicture(data["picture"]);
  if (
    typeof title !== "string" ||
    title.length > longestTitle ||
    picture === "malformed" ||
    !isAccounts(owners) ||
    !isAccounts(admins) ||
    !isCount(generation) ||
    (predecessor !== undefined && parse(conversationId, predecessor) === undefined)
  ) {
    return undefined;
  }
  return { title, picture, owners, admins, generation, predecessor: predecessor as string | undefined };
}

function decodePicture(value: unknown): Picture | undefined | "malformed" {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null) return "malformed";
  const { key, ...reference } = value as Readonly<Record<string, unknown>>;
  const blob = parse(blobReference, reference);
  return blob === undefined || parse(hash, key) === undefined ? "malformed" : { ...blob, key: key as string };
}

function isAccounts(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.every((each, index) => typeof each === "string" && (index === 0 || (value[index - 1] as string) < each))
  );
}

export function sameData(a: GroupData, b: GroupData): boolean {
  return encodeBase64Url(encodeGroupData(a)) === encodeBase64Url(encodeGroupData(b));
}

/** Whether title, picture and roles are the same. */
export function isDescribedAlike(a: GroupData, b: GroupData): boolean {
  return sameData(a, { ...b, generation: a.generation, predecessor: a.predecessor });
}

export function roleOf({ owners, admins }: GroupData, account: string): Role {
  return owners.includes(account) ? "owner" : admins.includes(account) ? "admin" : "member";
}

export function withRole(data: GroupData, account: string, role: Role): GroupData {
  const without = (accounts: readonly string[]): readonly string[] => accounts.filter((each) => each !== account);
  return {
    ...data,
    owners: role === "owner" ? [...without(data.owners), account].sort() : without(data.owners),
    admins: role === "admin" ? [...without(data.admins), account].sort() : without(data.admins),
  };
}

/**
 * What is left of the roles when only `remaining` (sorted) are in: nobody's role outlives their membership, and a group always has an owner.
 * With the last owner gone the admins are owners, without admins the first of those who remain.
 */
export function dataAmong(data: GroupData, remaining: readonly string[]): GroupData {
  const isIn = new Set(remaining);
  const owners = data.owners.filter((account) => isIn.has(account));
  const admins = data.admins.filter((account) => isIn.has(account));
  if (data.owners.length === 0 || owners.length > 0) return { ...data, owners, admins };
  return admins.length > 0
    ? { ...data, owners: admins, admins: [] }
    : { ...data, owners: remaining.slice(0, 1), admins: [] };
}
