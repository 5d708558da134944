/** ts-mls 1.6.4 as published (its @noble provider), in the groups of our own measurements (suite 0x0001). */
import * as mls from "@tacit/mls";
import * as ts from "ts-mls";
import type { BigGroup } from "./bigGroup.ts";
import type { Certifier } from "./certificate.ts";
import { timed, timedRepeatedly, type Measure } from "./measure.ts";
import { payload } from "./ours.ts";
import { tsMlsConfig, tsMlsDecode, tsMlsEncode, tsMlsKeys, tsMlsSuite, type TsMlsKeys } from "./peers/tsMls.ts";
import type { PeerMeasure } from "./row.ts";

const suiteId = 0x0001;

export async function tsMlsMeasures(
  groups: readonly BigGroup[],
  certifier: Certifier,
  progress: (text: string) => void,
): Promise<PeerMeasure[]> {
  const suite = await tsMlsSuite(suiteId);
  const config = tsMlsConfig({
    validateCredential: async (credential, signatureKey) =>
      credential.credentialType === "basic" && certifier.check(credential.identity, signatureKey),
  });
  const newKeys = async (name: string): Promise<TsMlsKeys> => {
    const signatureKeys = await suite.signature.keygen();
    return tsMlsKeys(suite, await certifier.certify(name, signatureKeys.publicKey), certifier.now, signatureKeys);
  };
  const bytesOf = (keys: TsMlsKeys): Uint8Array =>
    tsMlsEncode({ version: "mls10", wireformat: "mls_key_package", keyPackage: keys.publicPackage });
  const join = async (keys: TsMlsKeys, welcome: Uint8Array): Promise<ts.ClientState> => {
    const message = tsMlsDecode(welcome);
    if (message.wireformat !== "mls_welcome") throw new Error("expected a Welcome");
    const { publicPackage, privatePackage } = keys;
    return ts.joinGroup(
      message.welcome,
      publicPackage,
      privatePackage,
      ts.emptyPskIndex,
      suite,
      undefined,
      undefined,
      config,
    );
  };
  const add = (state: ts.ClientState, keys: TsMlsKeys): Promise<ts.CreateCommitResult> =>
    ts.createCommit(
      { state, cipherSuite: suite },
      {
        extraProposals: [{ proposalType: "add", add: { keyPackage: keys.publicPackage } }],
        ratchetTreeExtension: true,
      },
    );
  const welcomeOf = ({ welcome }: ts.CreateCommitResult): Uint8Array => {
    if (welcome === undefined) throw new Error("a commit that adds somebody has a Welcome");
    return tsMlsEncode({ version: "mls10", wireformat: "mls_welcome", welcome });
  };

  const all: PeerMeasure[] = [];
  for (const group of groups.filter((each) => each.suite.id === suiteId)) {
    const { size } = group;
    progress(`ts-mls: a group of ${size}`);
    // Alice and Bob, strangers to the group of our engine's making, are added to it; at two they are the group.
    const aliceKeys = await newKeys("alice");
    const bobKeys = await newKeys("bob");
    let alice: ts.ClientState;
    let bob: ts.ClientState;
    if (size === 2) {
      const { publicPackage, privatePackage } = aliceKeys;
      const founded = await ts.createGroup(new Uint8Array(32), publicPackage, privatePackage, [], suite, config);
      const added = await add(founded, bobKeys);
      alice = added.newState;
      bob = await join(bobKeys, welcomeOf(added));
    } else {
      // The last member's path covers the newcomers. Anybody else's leaves them unmerged in some nodes, and then ts-mls cannot join.
      const added = await mls.createCommit(group.state(size - 1), {
        authentication: certifier.authentication,
        ratchetTreeInWelcome: true,
        proposals: [aliceKeys, bobKeys].map((keys) => ({
          type: "add",
          keyPackage: mls.decodeKeyPackage(bytesOf(keys)),
        })),
      });
      const welcome = added.welcomes[0]?.bytes ?? new Uint8Array(0);
      alice = await join(aliceKeys, welcome);
      bob = await join(bobKeys, welcome);
    }
    const [baseAlice] = [alice];
    const slow = size >= 1000 ? { mostInAll: 3 } : size >= 100 ? { mostInAll: 5 } : {};

    let sender = alice;
    let receiver = bob;
    const queue: ts.PrivateMessage[] = [];
    const encrypt = async (): Promise<void> => {
      const sent = await ts.createApplicationMessage(sender, payload, suite);
      sender = sent.newState;
      queue.push(sent.privateMessage);
    };
    const update = async (): Promise<{ update: number; process: number; bytes: number }> => {
      const start = performance.now();
      const created = await ts.createCommit({ state: alice, cipherSuite: suite });
      const middle = performance.now();
      if (created.commit.wireformat !== "mls_private_message") throw new Error("expected a private message");
      const from = performance.now();
      const received = await ts.processPrivateMessage(bob, created.commit.privateMessage, ts.emptyPskIndex, suite);
      const end = performance.now();
      [alice, bob] = [created.newState, received.newState];
      return { update: middle - start, process: end - from, bytes: tsMlsEncode(created.commit).length };
    };
    // The first commit of newcomers fills the nodes above them; it is not the warm one.
    await update();
    [alice, bob] = [bob, alice];
    await update();
    const { bytes: updateBytes } = await update();
    await encrypt();
    const messageBytes = tsMlsEncode({
      version: "mls10",
      wireformat: "mls_private_message",
      privateMessage: queue[0] as ts.PrivateMessage,
    }).length;
    const newcomer = await newKeys("newcomer");
    const added = await add(baseAlice, newcomer);
    const stateBytes = ts.encodeGroupState(alice).length;

    const measure = (operation: string, bytes: number, run: Measure["run"], limits: Partial<Measure> = {}): void => {
      all.push({
        library: "ts-mls 1.6.4",
        suite: suiteId,
        operation,
        size,
        bytes,
        measure: { key: `ts-mls/${size}/${operation}`, run, ...limits },
      });
    };
    const keysFor = async (count: number): Promise<TsMlsKeys[]> => {
      const keys: TsMlsKeys[] = [];
      for (let i = 0; i < count; i++) keys.push(await newKeys("newcomer"));
      return keys;
    };
    measure("encrypt", messageBytes, (count) => timedRepeatedly(count, encrypt), { most: 10 });
    measure(
      "decrypt",
      messageBytes,
      async (count) => {
        while (queue.length < count) await encrypt();
        return timed(queue.splice(0, count), async (message) => {
          receiver = (await ts.processPrivateMessage(receiver, message, ts.emptyPskIndex, suite)).newState;
        });
      },
      { most: 10 },
    );
    measure(
      "keyPackage",
      bytesOf(newcomer).length,
      async (count) => {
        const keys = await suite.signature.keygen();
        const identity = await certifier.certify("client", keys.publicKey);
        return timedRepeatedly(count, () => tsMlsKeys(suite, identity, certifier.now, keys));
      },
      { most: 4 },
    );
    measure(
      "add",
      tsMlsEncode(added.commit).length,
      async (count) => timed(await keysFor(count), (keys) => add(baseAlice, keys)),
      { most: 2, ...slow },
    );
    measure(
      "join",
      welcomeOf(added).length,
      async (count) => {
        const inputs: (readonly [TsMlsKeys, Uint8Array])[] = [];
        for (const keys of await keysFor(count)) inputs.push([keys, welcomeOf(await add(baseAlice, keys))]);
        return timed(inputs, ([keys, welcome]) => join(keys, welcome));
      },
      { most: 1, ...slow },
    );
    const commits = (pick: "update" | "process") => async (count: number) => {
      const samples: number[] = [];
      for (let i = 0; i < count; i++) samples.push((await update())[pick]);
      return samples;
    };
    measure("update", updateBytes, commits("update"), { most: 2, ...slow });
    measure("processUpdate", updateBytes, commits("process"), { most: 2, ...slow });
    // Its state is one piece.
    for (const operation of ["storeMessage", "storeCommit"]) {
      measure(operation, stateBytes, (count) => timedRepeatedly(count, () => ts.encodeGroupState(alice)), { most: 2 });
    }
  }
  return all;
}
