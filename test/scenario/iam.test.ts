/**
 * IAM is exact. All stories run once on one cloud, and every (function, statement, action) that the templates grant must have
 * been used by them; and for a sample of grants taken away, a story fails with the denied action named.
 */
import { startLocalTacit } from "../../bench/localTacit.ts";
import { scene, type Story } from "./stage.ts";
import { aBackup } from "./stories/backups.ts";
import { aFanOutThroughTheQueue } from "./stories/bells.ts";
import { aBlob, aWelcome } from "./stories/blobs.ts";
import { aReceipt } from "./stories/devices.ts";
import { peopleStories, relayStories } from "./stories/index.ts";
import { twoSocketsOfOneDevice } from "./stories/sockets.ts";

const key = (grant: object): string => JSON.stringify(grant);

test("every grant is used by some story, and nothing is denied", async () => {
  const cloud = await startLocalTacit();
  try {
    let number = 0;
    for (const story of Object.values({ ...relayStories, ...peopleStories })) {
      await story(scene(cloud, `-${++number}`));
      cloud.faults.clear();
    }
    await cloud.settled();
    const used = new Set(cloud.iam.used().map(key));
    expect(cloud.iam.granted().filter((grant) => !used.has(key(grant)))).toEqual([]);
    expect(cloud.iam.denied()).toEqual([]);
  } finally {
    await cloud.close();
  }
}, 480_000);

/** [function, action, story]: statement by statement, something that the story cannot do without. */
const sample: readonly (readonly [string, string, Story])[] = [
  ["Authorizer", "dynamodb:GetItem", aWelcome],
  ["Authorizer", "dynamodb:PutItem", aWelcome],
  ["Relay", "dynamodb:Query", aWelcome],
  ["Relay", "dynamodb:UpdateItem", aWelcome],
  ["Relay", "dynamodb:DeleteItem", aWelcome],
  ["Relay", "kms:Decrypt", aWelcome],
  ["Relay", "s3:PutObject", aBlob],
  ["Relay", "s3:GetObject", aBlob],
  ["Relay", "s3:DeleteObject", aBackup],
  ["Relay", "kms:Sign", aReceipt],
  ["Relay", "kms:GetPublicKey", aReceipt],
  ["Relay", "sqs:SendMessage", aFanOutThroughTheQueue],
  ["RingBells", "sqs:ReceiveMessage", aFanOutThroughTheQueue],
  ["Relay", "execute-api:ManageConnections", twoSocketsOfOneDevice],
];

test.each(sample)(
  "without its grant of %s %s the story fails, and says why",
  async (name, action, story) => {
    const probe = await startLocalTacit();
    const withoutGrants = probe.iam
      .granted()
      .filter((grant) => grant.function.startsWith(name) && grant.action === action);
    await probe.close();
    expect(withoutGrants.length).toBeGreaterThan(0);
    const cloud = await startLocalTacit({ withoutGrants });
    try {
      await expect(story(scene(cloud))).rejects.toThrow();
      expect(
        cloud.iam.denied().map(({ function: fn, action }) => [fn.replace(/[0-9A-F]{8}$/, ""), action]),
      ).toContainEqual([expect.stringContaining(name), action]);
    } finally {
      await cloud.close();
    }
  },
  240_000,
);
