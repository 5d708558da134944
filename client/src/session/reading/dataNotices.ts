/** What the timeline says of a change of title, picture and roles. */
import type { GroupData } from "../group/groupData.ts";
import type { DataChange } from "../group/memberChange.ts";
import type { TimelineNotice } from "../timeline.ts";

export function dataNotices(
  { titleChanged, pictureChanged, rolesChanged }: DataChange,
  { title }: GroupData,
  by: string,
): readonly TimelineNotice[] {
  return [
    ...(titleChanged ? [{ kind: "titleChanged" as const, title, by }] : []),
    ...(pictureChanged ? [{ kind: "pictureChanged" as const, by }] : []),
    ...rolesChanged.map(({ account, role }) => ({ kind: "roleChanged" as const, account, role, by })),
  ];
}
