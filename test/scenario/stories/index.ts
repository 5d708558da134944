/** All stories, by what they tell. */
import type { Story } from "../stage.ts";
import { aLostAppend, aMessageBetweenTwoPages, aWinnerThatIsToldItLost, bothCreateAtOnce, leaving } from "./log.ts";
import { expiredToken, twoConnectsThatFinishOutOfOrder, twoSocketsOfOneDevice } from "./sockets.ts";
import { aStolenToken, aStranger } from "./strangers.ts";

export const relayStories: Readonly<Record<string, Story>> = {
  "two sockets of one device: the newer wins": twoSocketsOfOneDevice,
  "two connects of one device that finish out of order": twoConnectsThatFinishOutOfOrder,
  "an expired token": expiredToken,
  "a stranger who tries to read, append, claim, or take Bob's device id": aStranger,
  "a stolen token without the device key": aStolenToken,
  "a message that lands while the reader is between two pages": aMessageBetweenTwoPages,
  "a winner that is told it lost": aWinnerThatIsToldItLost,
  "a lost answer of a write, and the SDK's retry": aLostAppend,
  "both create the direct conversation at once": bothCreateAtOnce,
  "leaving: off the roster at once, reading up to there": leaving,
};
