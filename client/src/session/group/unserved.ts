/**
 * Where the relay's roster is not the group's: a commit says it in clear (commitData.ts), and those who come in by that commit are told in the
 * GroupInfo of their Welcome as well, because the commit may have expired when they come to read it. Without it they would judge every commit
 * otherwise than the members, and theirs would be void to them.
 *
 *     GroupInfo extension 0xf7ae = UTF-8 JSON { "unlisted", "suspended", "strangers" }, lists of accounts; none where all of them are empty
 */
import type { Extension } from "@tacit/mls";
import { parseJson, utf8 } from "../bytes.ts";

export interface Unserved {
  /** Accounts in the group that the relay does not serve. */
  readonly unlisted: readonly string[];
  /** Those of them that are not taken back before somebody who may invite does it. */
  readonly suspended: readonly string[];
  /** Accounts that the relay serves and that are not in the group. */
  readonly strangers: readonly string[];
}

const extensionType = 0xf7ae;

export function unservedExtensions({ unlisted, suspended, strangers }: Unserved): readonly Extension[] {
  if (unlisted.length + suspended.length + strangers.length === 0) return [];
  return [{ extensionType, data: utf8(JSON.stringify({ unlisted, suspended, strangers })) }];
}

export function unservedIn(extensions: readonly Extension[]): Partial<Unserved> {
  const data = extensions.find((extension) => extension.extensionType === extensionType)?.data;
  const { unlisted, suspended, strangers } = (data && parseJson(data)) ?? {};
  return { unlisted: textsIn(unlisted), suspended: textsIn(suspended), strangers: textsIn(strangers) };
}

/** As far as it fits who is in the group. */
export function unservedAmong(
  roster: readonly string[],
  { unlisted = [], suspended = [], strangers = [] }: Partial<Unserved>,
): Unserved {
  const members = new Set(roster);
  const left = unlisted.filter((account) => members.has(account));
  return {
    unlisted: left,
    suspended: suspended.filter((account) => left.includes(account)),
    strangers: strangers.filter((account) => !members.has(account)),
  };
}

function textsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
