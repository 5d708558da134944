/** All stories, by what they tell. */
import type { Story } from "../stage.ts";
import { aBackup } from "./backups.ts";
import { aFanOutThroughTheQueue } from "./bells.ts";
import { aBlob, aQuietYear, aWelcome } from "./blobs.ts";
import { aDeviceIsLinked, aKeyOutOfReach, aReceipt } from "./devices.ts";
import { aLostAppend, aMessageBetweenTwoPages, aWinnerThatIsToldItLost, bothCreateAtOnce, leaving } from "./log.ts";
import {
  aLostAnswer,
  aLostDoorbell,
  bothWriteFirst,
  commitsCollide,
  firstContact,
  leaseAfterLease,
  offlineForThreeDays,
  theWinnerIsToldItLost,
  typing,
} from "./people.ts";
import { aLostDevice, expiredToken, twoConnectsThatFinishOutOfOrder, twoSocketsOfOneDevice } from "./sockets.ts";
import { anotherAccountKey, stagedWelcomes } from "./stages.ts";
import { aStolenToken, aStranger } from "./strangers.ts";

export const relayStories: Readonly<Record<string, Story>> = {
  "two sockets of one device: the newer wins": twoSocketsOfOneDevice,
  "two connects of one device that finish out of order": twoConnectsThatFinishOutOfOrder,
  "an expired token": expiredToken,
  "a lost device is revoked": aLostDevice,
  "a stranger who tries to read, append, claim, or take Bob's device id": aStranger,
  "a stolen token without the device key": aStolenToken,
  "a message that lands while the reader is between two pages": aMessageBetweenTwoPages,
  "a winner that is told it lost": aWinnerThatIsToldItLost,
  "a lost answer of a write, and the SDK's retry": aLostAppend,
  "both create the direct conversation at once": bothCreateAtOnce,
  "leaving: off the roster at once, reading up to there": leaving,
  "a Welcome, against a claimed key package": aWelcome,
  "a blob: uploaded, kept, downloaded": aBlob,
  "a quiet year, and the log goes on": aQuietYear,
  "a receipt for each version of a record, signed in KMS": aReceipt,
  "the key in KMS is out of reach": aKeyOutOfReach,
  "a device is linked through the inboxes": aDeviceIsLinked,
  "Welcomes that wait for their commit": stagedWelcomes,
  "an account goes on under another key": anotherAccountKey,
  "a backup: kept for years, replaced, deleted": aBackup,
  "a fan-out to more than 200 sockets, through the queue": aFanOutThroughTheQueue,
};

export const peopleStories: Readonly<Record<string, Story>> = {
  "first contact": firstContact,
  "both write first": bothWriteFirst,
  "Bob is offline for three days": offlineForThreeDays,
  "a lost answer and its retry": aLostAnswer,
  "a lost doorbell": aLostDoorbell,
  "a token ends, and nobody notices": leaseAfterLease,
  "a winner that never hears that it won": theWinnerIsToldItLost,
  "two commits collide, and messages with them": commitsCollide,
  "typing rings and leaves nothing behind": typing,
};
