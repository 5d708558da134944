/** Ten messages each way between two devices, one of which is killed in the middle; then what is to be said of it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type Client, type Conversation } from "@tacit/client";
import { sqliteStore } from "@tacit/client/sqlite";
import type { LocalCloud } from "@tacit/local";
import { startBob, type Bob } from "./bob.ts";
import { createReader, type Reader } from "./reader.ts";
import { costReport, findPlaintext, storageReport, transcriptReport } from "./report.ts";
import { allLines, lineOf, rounds, type Line } from "./script.ts";
import { checkPrefix, checkReading } from "./transcript.ts";

/** Milliseconds that one message may take. */
const patience = 20_000;
/** Bob dies in this round, as soon as his own message is on his disk. */
const fatalRound = 5;

/** What was wrong; empty where every message arrived exactly once, in order, on both sides. */
export async function runOnce(
  cloud: LocalCloud,
  audience: string,
  say: (text: string) => void,
): Promise<readonly string[]> {
  const directory = await mkdtemp(join(tmpdir(), "tacit-once-"));
  const accounts = newAccounts(cloud.now());
  const token = (account: string) => cloud.issueToken({ sub: account, audience });
  const begin = (): Bob =>
    startBob({ url: cloud.url, account: accounts.bob, store: join(directory, "bob.db") }, () => token(accounts.bob));

  let bob = begin();
  let alice: Client | undefined;
  try {
    await bob.ready();
    alice = await connect({
      url: cloud.url,
      account: accounts.alice,
      token: () => token(accounts.alice),
      store: await sqliteStore(join(directory, "alice.db")),
    });
    const chat = await alice.conversation({ with: [accounts.bob] });
    const aliceReads = createReader("Alice");
    readOn(chat, aliceReads);

    for (let round = 0; round < fatalRound; round++) await exchange(chat, aliceReads, bob, round);

    await aliceSends(chat, fatalRound);
    await bob.send(lineOf("bob", fatalRound));
    await bob.kill();
    say(`Bob's process was killed (SIGKILL) with a message in his outbox; he had read ${bob.reader.lines.length}.`);
    const firstLife = bob.reader.lines;
    await aliceSends(chat, fatalRound + 1);
    bob = begin();
    await bob.ready();
    say("Bob's process was started again on what his disk holds.\n");
    await bob.reader.until(lineOf("alice", fatalRound + 1), patience);
    await aliceReads.until(lineOf("bob", fatalRound), patience);
    await bobSends(bob, aliceReads, fatalRound + 1);

    for (let round = fatalRound + 2; round < rounds; round++) await exchange(chat, aliceReads, bob, round);
    await bob.finish();
    // Own messages are read too, once the log has them.
    await bob.reader.until(lineOf("bob", rounds - 1), patience);
    await alice.caughtUp();
    await cloud.settled();
    const again = await readAgain(chat, allLines.length);

    const { lines: hers } = aliceReads;
    const { lines: his } = bob.reader;
    say(`What Alice and Bob read, in the order of the log:\n\n${transcriptReport(hers)}\n`);
    say(`What the cloud stored:\n\n${await storageReport(cloud)}\n`);
    say(`What it would have cost on AWS, keys and first contact included:\n\n${costReport(cloud)}\n`);
    const problems = [
      ...checkReading("Alice", allLines, hers),
      ...checkReading("Bob", allLines, his),
      ...checkPrefix(["Bob before his end", "Bob after it"], firstLife, his),
      ...checkPrefix(["Bob", "Alice"], his, hers),
      ...checkPrefix(["Alice's store", "Alice"], again, hers),
      ...(await findPlaintext(
        cloud,
        allLines.map(({ text }) => text),
      )),
    ];
    if (problems.length === 0) {
      say(
        `✓ ${allLines.length} messages, each exactly once and in order on both sides; none of them readable in the cloud.`,
      );
    }
    return problems;
  } finally {
    await bob.kill();
    await alice?.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** New ones for each run: where the cloud keeps its data, those of the last run belong to devices that are gone. */
function newAccounts(now: number) {
  const suffix = now.toString(36);
  return { alice: `alice-${suffix}`, bob: `bob-${suffix}` };
}

async function exchange(chat: Conversation, aliceReads: Reader, bob: Bob, round: number): Promise<void> {
  await aliceSends(chat, round);
  await bob.reader.until(lineOf("alice", round), patience);
  await bobSends(bob, aliceReads, round);
}

async function aliceSends(chat: Conversation, round: number): Promise<void> {
  const outgoing = await chat.send({ text: lineOf("alice", round) });
  await outgoing.sent;
}

async function bobSends(bob: Bob, aliceReads: Reader, round: number): Promise<void> {
  await bob.send(lineOf("bob", round));
  await aliceReads.until(lineOf("bob", round), patience);
}

function readOn(chat: Conversation, reader: Reader): void {
  const read = async () => {
    for await (const message of chat.messages()) reader.take(lineFrom(message));
  };
  read().catch((error: unknown) => reader.fail(error instanceof Error ? error : new Error(String(error))));
}

/** The first `count` messages that the store tells a new reader. */
async function readAgain(chat: Conversation, count: number): Promise<readonly Line[]> {
  const lines: Line[] = [];
  for await (const message of chat.messages({ signal: AbortSignal.timeout(patience) })) {
    lines.push(lineFrom(message));
    if (lines.length === count) break;
  }
  return lines;
}

function lineFrom({ mine, text }: { readonly mine: boolean; readonly text: string }): Line {
  return { from: mine ? "alice" : "bob", text };
}
