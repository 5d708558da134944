/** Group data as an extension, for groups that tests make by hand. */
import type { Extension } from "@tacit/mls";
import {
  encodeGroupData,
  groupDataExtension,
  plainData,
  type GroupData,
} from "../../../client/src/session/group/groupData.ts";

export function dataExtensionOf(data: Partial<GroupData>): Extension {
  return { extensionType: groupDataExtension, data: encodeGroupData({ ...plainData, ...data }) };
}
