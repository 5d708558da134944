/** What happened in a conversation besides messages, in words. */
import type { TimelineNotice } from "@tacit/client";

export function describeNotice(notice: TimelineNotice): string {
  switch (notice.kind) {
    case "opened":
      return "The conversation begins. Its keys are on the two devices alone.";
    case "missing":
      return "What was written here expired before this device read it.";
    case "unreadable":
      return "Something arrived here that this device cannot read.";
    case "keysChanged":
      return "A device replaced its keys.";
    case "devicesChanged":
      return "An account's devices changed.";
    case "void":
      return "A change that broke the rules was ignored.";
    case "cannotFollow":
      return "This device cannot follow the conversation, and asks to be put in anew.";
    case "unanswered":
      return "Nobody has put this device in anew so far.";
    case "noLongerMember":
      return "This account is not in the conversation any more.";
    case "rejoined":
      return "This device is in again. Something may be missing.";
    case "suspended":
      return `${notice.account} sent a broken change, and is not served any more`;
    case "deviceRestored":
      return "A device that could not follow was put in anew.";
    case "left":
      return `${notice.accounts.join(", ")} left.`;
    case "titleChanged":
      return `The group is called “${notice.title}” now.`;
    case "pictureChanged":
      return "The group has another picture.";
    case "roleChanged":
      return `${notice.account} is ${notice.role} now.`;
    case "logMismatch":
      return "The two devices were shown different logs.";
    case "identityChanged":
      return "The other account shows another key.";
    case "membersChanged":
      return "Who takes part has changed.";
  }
}
