/** What happens in a step of the simulation: one function per kind of event. */
import {
  createCommit,
  createGroupInfo,
  createMessage,
  createProposal,
  encodeEpoch,
  encodeRatchets,
  encodeRatchetTree,
  joinExternally,
  joinGroup,
  MlsError,
  requiredCapabilitiesExtension,
  type CreatedCommit,
  type GroupState,
  type Proposal,
  type ProposalInput,
} from "@tacit/mls";
import { authentication, now, text, type Client } from "../../mls/world.ts";
import { makeAttack } from "./forgeries.ts";
import type { Group } from "./group.ts";
import { newMember, type Member, type Spoken } from "./member.ts";
import { externalPsk, lookup } from "./psks.ts";

type Event = (group: Group) => Promise<void>;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Some hear it at once, some late, some never, and some twice. */
const talk: Event = async (group) => {
  const { dice } = group;
  const sender = dice.pick(group.online);
  for (let count = dice.below(4); count >= 0; count--) {
    const plaintext = `${sender.name} says ${dice.next()}`;
    const sent = await createMessage(sender.state, text(plaintext), { padding: dice.below(64) });
    sender.state = sent.state;
    const { epoch } = sender.state.epoch.groupContext;
    const key = `${epoch}/sent`;
    const generations = sender.heard.get(key) ?? new Set<number>();
    sender.heard.set(key, generations);
    const spoken: Spoken = { bytes: sent.message, plaintext, sender: sender.name, epoch, generation: generations.size };
    generations.add(generations.size);
    for (const member of [...group.members.values()]) {
      if (member === sender) continue;
      const fate = dice.next();
      if (fate < 0.15) continue;
      if (fate < 0.35) group.late.push({ spoken, to: member.name });
      else if (member.backlog === undefined) await group.hear(member, spoken);
      else member.backlog.push({ kind: "application", spoken });
      if (fate > 0.95 && member.backlog === undefined) await group.hear(member, spoken);
    }
  }
};

/** Messages that were held up arrive in any order, also those of epochs that are over. */
const hearLate: Event = async (group) => {
  const { dice } = group;
  for (let count = Math.min(8, group.late.length); count > 0; count--) {
    const [held] = group.late.splice(dice.below(group.late.length), 1);
    const member = group.members.get(held?.to ?? "");
    if (held !== undefined && member !== undefined && member.backlog === undefined) {
      await group.hear(member, held.spoken);
    }
  }
  group.late = group.late.slice(-200);
};

async function someProposal(group: Group, sender: Member): Promise<ProposalInput> {
  const { dice, suite } = group;
  const others = [...group.members.values()].filter((member) => member !== sender);
  const kind = dice.weighted({
    update: 4,
    rotate: 2,
    remove: others.length > 0 ? 2 : 0,
    add: 3,
    psk: 1,
    extensions: 1,
  });
  switch (kind) {
    case "update":
      return { type: "update" };
    case "rotate":
      return { type: "update", leaf: { signatureKeyPair: await suite.generateSignatureKeyPair() } };
    case "remove":
      return { type: "remove", removed: dice.pick(others).state.epoch.ownLeafIndex };
    case "add": {
      if (group.members.size + group.candidates.size >= group.maximum) return { type: "update" };
      const client = await group.client(group.newName());
      group.candidates.set(hex(client.ref), client);
      return { type: "add", keyPackage: client.keyPackage };
    }
    case "psk":
      return { type: "psk", id: externalPsk(suite, `proposed ${dice.below(5)}`) };
    case "extensions":
      return extensionsProposal(group);
  }
}

function extensionsProposal(group: Group): Proposal & { readonly type: "groupContextExtensions" } {
  const required = requiredCapabilitiesExtension({ extensions: [0xf0f0], proposals: [], credentials: [1] });
  const own = { extensionType: 0xf0f0, data: text(`${group.dice.next()}`) };
  return { type: "groupContextExtensions", extensions: group.dice.pick([[], [required], [own], [required, own]]) };
}

const propose: Event = async (group) => {
  const { dice } = group;
  const sender = dice.pick(group.online);
  for (let count = dice.below(3); count >= 0; count--) {
    const proposal = await someProposal(group, sender);
    const options = { authentication, privateMessage: dice.chance(0.5) };
    const created = await createProposal(sender.state, proposal, options);
    sender.state = created.state;
    await group.broadcast({ kind: "proposal", bytes: created.message }, sender.name);
  }
};

interface Plan {
  readonly proposals: Proposal[];
  readonly clients: Map<string, Client>;
  readonly references: "all" | "none";
}

async function plan(group: Group, committer: Member): Promise<Plan> {
  const { dice, suite } = group;
  const proposals: Proposal[] = [];
  const clients = new Map<string, Client>();
  const others = [...group.members.values()].filter((member) => member !== committer);
  const victims = new Map<number, Member>();
  if (dice.chance(0.3)) {
    for (let count = dice.below(Math.min(4, others.length + 1)); count > 0; count--) {
      const victim = dice.pick(others);
      victims.set(victim.state.epoch.ownLeafIndex, victim);
    }
    for (const removed of victims.keys()) proposals.push({ type: "remove", removed });
  }
  if (dice.chance(0.5)) {
    const known = new Set([...group.members.keys(), ...[...group.candidates.values()].map(({ name }) => name)]);
    // Some return: those who left before, and those whom this very commit removes.
    const returning = [
      ...group.ghosts
        .slice(-3)
        .map(({ name }) => name)
        .filter((name) => !known.has(name)),
    ];
    for (const { name } of victims.values()) if (dice.chance(0.2)) returning.push(name);
    for (let count = dice.below(4); count > 0; count--) {
      if (group.members.size + group.candidates.size + clients.size >= group.maximum) break;
      const name = dice.chance(0.3) ? (returning.pop() ?? group.newName()) : group.newName();
      if ([...clients.values()].some((each) => each.name === name)) continue;
      const client = await group.client(name);
      clients.set(hex(client.ref), client);
      proposals.push({ type: "add", keyPackage: client.keyPackage });
    }
  }
  if (dice.chance(0.1)) proposals.push(extensionsProposal(group));
  if (dice.chance(0.1)) proposals.push({ type: "psk", id: externalPsk(suite, `committed ${dice.below(5)}`) });
  const references = dice.chance(0.8) ? "all" : "none";
  if (references === "none" && clients.size === 0 && dice.chance(0.2)) {
    const { groupId, epoch } = committer.state.epoch.groupContext;
    const nonce = suite.random(suite.hashLength);
    proposals.push({ type: "psk", id: { type: "resumption", usage: "application", groupId, epoch, nonce } });
  }
  return { proposals, clients, references };
}

const commit: Event = async (group) => {
  const { dice, suite } = group;
  const committer = dice.pick(group.online);
  const rivals = group.online.filter((member) => member !== committer);
  const rival = rivals.length > 0 && dice.chance(0.15) ? dice.pick(rivals) : undefined;
  const { proposals, clients, references } = await plan(group, committer);
  const before = committer.state;
  const created = await createCommit(before, {
    authentication,
    proposals,
    references,
    psks: lookup(suite),
    forcePath: dice.chance(0.5),
    privateMessage: dice.chance(0.7),
    padding: dice.below(64),
    welcome: dice.pick(["shared", "separate"]),
    ratchetTreeInWelcome: dice.chance(0.5),
    lifetime: { now },
    ...(dice.chance(0.2) ? { leaf: { signatureKeyPair: await suite.generateSignatureKeyPair() } } : {}),
  });
  let lost: Uint8Array | undefined;
  if (rival !== undefined) {
    const late = await createCommit(rival.state, { authentication, references: "none" });
    rival.state = late.state;
    lost = late.commit;
  }
  const invited = new Map([...group.candidates, ...clients]);
  committer.state = created.next;
  const removed = created.summary.removed.map(({ leafIndex }) => leafIndex);
  const { commit: bytes, welcomes, next: after } = created;
  await group.accept({ bytes, welcomes, before, after, removed }, committer.name);
  for (const { newMembers, bytes: welcome } of created.welcomes) {
    for (const { keyPackageRef } of newMembers) {
      const client = invited.get(hex(keyPackageRef));
      if (client === undefined) throw new Error("somebody was added whom nobody knows");
      await join(group, client, welcome, created);
    }
  }
  if (lost !== undefined) await refuse(group, lost, "a commit that lost the race", true);
  if (dice.chance(0.1)) await refuse(group, bytes, "a commit for the second time", true);
};

async function join(group: Group, client: Client, welcome: Uint8Array, created: CreatedCommit): Promise<void> {
  try {
    const { state } = await joinGroup({
      suite: group.suite,
      welcome,
      keyPackage: client.keyPackage,
      privateKeys: client.privateKeys,
      ratchetTree: encodeRatchetTree(created.next),
      psks: lookup(group.suite),
      authentication,
      lifetime: { now, checkMembers: true },
      config: group.config,
    });
    group.members.set(client.name, newMember(client.name, state));
  } catch (error) {
    if (!(error instanceof MlsError)) throw error;
    group.disagree(`${client.name} cannot join (${error.code}: ${error.message})`);
  }
}

/** A stranger enters by itself, or a member who lost its state returns. */
const enter: Event = async (group) => {
  const { dice, suite } = group;
  const resync = group.members.size > 1 && dice.chance(0.5);
  if (!resync && group.members.size >= group.maximum) return;
  const former = resync ? dice.pick([...group.members.values()]) : undefined;
  const name = former?.name ?? group.newName();
  const through = dice.pick(group.online.filter((member) => member !== former).concat(group.online.slice(0, 1)));
  if (through === former) return;
  const before = through.state;
  const inside = dice.chance(0.5);
  const joined = await joinExternally({
    suite,
    groupInfo: await createGroupInfo(before, { ratchetTree: inside }),
    ...(inside ? {} : { ratchetTree: encodeRatchetTree(before) }),
    credential: { type: "basic", identity: text(name) },
    signatureKeyPair: await suite.generateSignatureKeyPair(),
    capabilities: { extensions: [0xf0f0] },
    authentication,
    config: group.config,
    ...(former === undefined ? {} : { resync: former.state.epoch.ownLeafIndex }),
    ...(dice.chance(0.2) ? { psks: { ids: [externalPsk(suite, "at the door")], lookup: lookup(suite) } } : {}),
  });
  group.counts.externalJoins++;
  const removed = former === undefined ? [] : [former.state.epoch.ownLeafIndex];
  await group.accept({ bytes: joined.commit, welcomes: [], before, after: joined.next, removed }, undefined);
  group.members.set(name, newMember(name, joined.next));
};

/** From the stored state, into which only changes were written. */
const restart: Event = async (group) => {
  const member = group.dice.pick(group.online);
  member.disk.save(member.state);
  if (!member.disk.holds(member.state)) group.disagree(`what ${member.name} stored is not its state`);
  member.state = member.disk.load(member.state);
  group.counts.restarts++;
};

/** A device is switched off; it will hear all at once. */
const leave: Event = async (group) => {
  if (group.online.length < 2) return;
  const member = group.dice.pick(group.online);
  member.disk.save(member.state);
  member.backlog = [];
};

const comeBack: Event = async (group) => {
  const away = [...group.members.values()].filter(({ backlog }) => backlog !== undefined);
  if (away.length > 0) await group.comeBack(group.dice.pick(away));
};

const stored = (state: GroupState): string =>
  `${hex(encodeEpoch(state))}${encodeRatchets(state)
    .map(({ bytes }) => hex(bytes ?? new Uint8Array(0)))
    .join()}`;

/** No one may follow, no state may change, and who says "everyone fails" is right. */
async function refuse(group: Group, bytes: Uint8Array, name: string, forAll: boolean, by?: Member): Promise<void> {
  const online = group.online.filter((member) => member !== by);
  const watched = online.length > 0 ? group.dice.pick(online) : undefined;
  const before = watched === undefined ? "" : stored(watched.state);
  let followed = 0;
  let forEveryone: MlsError | undefined;
  for (const member of online) {
    const outcome = await group.attempt(member.state, bytes);
    if (outcome instanceof MlsError) {
      group.counts.refusedAttacks++;
      // One's own message is refused for a reason that others do not have.
      if (outcome.everyone && outcome.code !== "own_message") forEveryone = outcome;
    } else {
      followed++;
    }
  }
  if (followed > 0 && forAll) group.disagree(`${followed} follow ${name}`);
  if (followed > 0 && forEveryone !== undefined) {
    group.disagree(`${name}: refused for everyone (${forEveryone.code}), and ${followed} follow`);
  }
  if (watched !== undefined && stored(watched.state) !== before) group.disagree(`${name} changed a state`);
}

const attack: Event = async (group) => {
  const { dice } = group;
  if (group.online.length < 2) return;
  const attacker = dice.pick(group.online);
  const others = group.online.filter((member) => member !== attacker).map(({ state }) => state.epoch.ownLeafIndex);
  const { state } = attacker;
  const honest = async (): Promise<Uint8Array> =>
    dice.chance(0.5)
      ? (await createCommit(state, { authentication, references: "none", privateMessage: dice.chance(0.5) })).commit
      : (await createMessage(state, text("tampered with"))).message;
  const { bytes, forAll, name } = await makeAttack(dice.pick(group.attacks), state, honest, [dice.pick(others)], dice);
  await refuse(group, bytes, name, forAll, attacker);
};

const events: Readonly<Record<string, readonly [weight: number, event: Event]>> = {
  talk: [12, talk],
  hearLate: [6, hearLate],
  propose: [15, propose],
  commit: [38, commit],
  enter: [6, enter],
  attack: [12, attack],
  restart: [5, restart],
  leave: [3, leave],
  comeBack: [3, comeBack],
};

const weights = Object.fromEntries(Object.entries(events).map(([name, [weight]]) => [name, weight]));

/** One step; everything that it does is drawn from the group's dice. */
export async function step(group: Group): Promise<void> {
  const name = group.dice.weighted(weights);
  await (events[name] as (typeof events)[string])[1](group);
  group.compare();
}
