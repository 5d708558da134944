/** Inbox, stages and landings in memory: what one transaction touches. */
import type { InboxItem } from "@tacit/protocol";
import type {
  Conversation,
  Inbox,
  InboxMessage,
  Landing,
  LandingOutcome,
  LandingWrite,
  Reservation,
  Stages,
  StageName,
  StoredEntry,
} from "../../lambdas/ports.ts";

type Welcome = Extract<InboxItem, { kind: "welcome" }>;

export type Place = {
  readonly reservation: Reservation;
  welcome: InboxItem | undefined;
  /** A Welcome that waits for its stage. */
  staged?: { readonly stage: StageName; readonly payload: Welcome["payload"]; readonly at: number } | undefined;
  ttl: number;
};

type Standing = Pick<Welcome, "seq" | "turn" | "at">;
type StageHead = { readonly isVoid: boolean; readonly standing: Standing | undefined; readonly ttl: number };

export type InboxTables = {
  readonly log: Map<string, Map<number, StoredEntry>>;
  readonly conversations: Map<string, Conversation>;
  readonly inbox: Map<string, Map<string, Place>>;
  /** By account and device, then by id. */
  readonly messages: Map<string, Map<string, { readonly item: InboxItem; readonly ttl: number }>>;
  readonly marks: Map<string, { readonly id: string; readonly ttl: number }>;
  readonly stageHeads: Map<string, StageHead>;
  /** By stage, then by what a call was about. */
  readonly stageDevices: Map<string, Map<string, { readonly devices: readonly string[]; readonly ttl: number }>>;
};

type Step = (call: string) => Promise<void>;

/** As the tables' adapter: after this long a stage that has not landed never will. */
const stageLife = 25 * 60 * 60_000;

const nameOf = ({ conversation, entry, by }: StageName): string => `${conversation} ${entry} ${by}`;
const ownerOf = (account: string, device: string): string => `${account} ${device}`;

export function mapIn<K, V>(map: Map<string, Map<K, V>>, key: string): Map<K, V> {
  let inner = map.get(key);
  if (inner === undefined) map.set(key, (inner = new Map<K, V>()));
  return inner;
}

export function memoryInbox(
  tables: InboxTables,
  now: () => number,
  step: Step,
): { readonly inbox: Inbox; readonly stages: Stages; readonly landing: Landing } {
  const standingOf = ({ stage }: NonNullable<Place["staged"]>): Standing | undefined =>
    tables.stageHeads.get(nameOf(stage))?.standing;

  function shown({ reservation, welcome, staged }: Place): InboxItem | undefined {
    const standing = staged && standingOf(staged);
    if (staged === undefined || standing === undefined) return welcome;
    const { id, keyPackage } = reservation;
    const { conversation } = staged.stage;
    return { kind: "welcome", id, conversation, keyPackage, payload: staged.payload, ...standing };
  }

  function isDead({ staged }: Place): boolean {
    if (staged === undefined || standingOf(staged) !== undefined) return false;
    return now() > staged.at + stageLife;
  }

  const inbox: Inbox = {
    async reserve(reservation) {
      await step("inbox.reserve");
      const place = { reservation, welcome: undefined, ttl: reservation.ttl };
      mapIn(tables.inbox, reservation.device).set(reservation.id, place);
    },
    async send(message) {
      await step("inbox.send (mark)");
      const id = tables.marks.get(message.mark)?.id ?? message.id;
      tables.marks.set(message.mark, { id, ttl: message.ttl });
      await step("inbox.send");
      const owner = ownerOf(message.account, message.device);
      mapIn(tables.messages, owner).set(id, { item: itemOf(id, message), ttl: message.ttl });
    },
    async page(account, device, after, limit) {
      await step("inbox.page");
      const places = tables.inbox.get(device);
      for (const [id, place] of places ?? []) if (isDead(place)) places?.delete(id);
      const messages = tables.messages.get(ownerOf(account, device));
      const items = [
        ...[...(places?.values() ?? [])].flatMap((place) => shown(place) ?? []),
        ...[...(messages?.values() ?? [])].map(({ item }) => item),
      ]
        .filter(({ id }) => after === undefined || id > after)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, limit);
      return { items, next: items.length === limit ? items.at(-1)?.id : undefined };
    },
    async remove(account, device, id) {
      await step("inbox.remove");
      const places = tables.inbox.get(device);
      const place = places?.get(id);
      if (place !== undefined && shown(place) !== undefined) places?.delete(id);
      tables.messages.get(ownerOf(account, device))?.delete(id);
    },
  };

  const stages: Stages = {
    async lay(stage, { device, claim, payload, at, ttl }, from) {
      await step("stages.lay");
      const place = tables.inbox.get(device)?.get(claim);
      if (place === undefined || place.reservation.by !== stage.by) return { laid: false, heldBy: undefined };
      const held = place.staged && nameOf(place.staged.stage);
      const isFree =
        held === undefined
          ? from === undefined && place.welcome === undefined
          : held === nameOf(stage) || (from !== undefined && held === nameOf(from));
      if (!isFree) return { laid: false, heldBy: place.staged?.stage };
      place.staged = { stage, payload, at };
      place.ttl = ttl;
      return { laid: true };
    },
    async note(stage, devices, ttl) {
      await step("stages.note (head)");
      const head = tables.stageHeads.get(nameOf(stage));
      if (head !== undefined && (head.isVoid || head.standing !== undefined)) return false;
      tables.stageHeads.set(nameOf(stage), { isVoid: false, standing: undefined, ttl });
      await step("stages.note");
      mapIn(tables.stageDevices, nameOf(stage)).set(devices.join(), { devices, ttl });
      return true;
    },
    async get(stage, atSeconds) {
      await step("stages.get");
      const head = tables.stageHeads.get(nameOf(stage));
      if (head === undefined || (head.standing === undefined && head.ttl < atSeconds)) return undefined;
      const noted = [...(tables.stageDevices.get(nameOf(stage))?.values() ?? [])];
      const devices = new Set(noted.filter(({ ttl }) => ttl >= atSeconds).flatMap((one) => one.devices));
      return { state: head.standing !== undefined ? "inForce" : head.isVoid ? "void" : "open", devices };
    },
    async abandon(stage, ttl) {
      await step("stages.abandon");
      if (tables.stageHeads.get(nameOf(stage))?.standing !== undefined) return false;
      tables.stageHeads.set(nameOf(stage), { isVoid: true, standing: undefined, ttl });
      return true;
    },
  };

  const landing: Landing = {
    async land(write) {
      await step("landing.land");
      const outcome = judge(tables, write);
      if (outcome.kind !== "landed" || tables.log.get(write.conversation)?.has(write.entry.seq)) return outcome;
      const { conversation, entry, next } = write;
      const standing = { seq: entry.seq, turn: next.turn, at: entry.at };
      mapIn(tables.log, conversation).set(entry.seq, entry);
      if (write.copy !== undefined) {
        mapIn(tables.log, write.copy.name).set(entry.seq, { ...entry, ttl: write.copy.ttl });
      }
      tables.conversations.set(conversation, next);
      for (const { device, claim, payload, ttl } of write.welcomes) {
        const place = tables.inbox.get(device)!.get(claim)!;
        const { keyPackage } = place.reservation;
        place.welcome = { kind: "welcome", id: claim, conversation, keyPackage, payload, ...standing };
        place.ttl = ttl;
      }
      if (write.stage !== undefined) {
        const { name, ttl } = write.stage;
        tables.stageHeads.set(nameOf(name), { isVoid: false, standing, ttl });
      }
      return outcome;
    },
  };

  return { inbox, stages, landing };
}

function itemOf(id: string, { from, payload, at }: InboxMessage): InboxItem {
  return { kind: "message", id, account: from.account, device: from.device, payload, at };
}

function judge(tables: InboxTables, write: LandingWrite): LandingOutcome {
  const found = tables.log.get(write.conversation)?.get(write.entry.seq);
  if (found?.id === write.entry.id) return { kind: "landed" };
  const current = tables.conversations.get(write.conversation);
  const { expected, stage } = write;
  const isAsExpected = current?.turn === expected?.turn && current?.ceiling === expected?.ceiling;
  if (found !== undefined || !isAsExpected) return { kind: "conflict" };
  const index = write.welcomes.findIndex(({ device, claim, by }) => {
    const place = tables.inbox.get(device)?.get(claim);
    const isClaimed = place !== undefined && place.welcome === undefined && place.staged === undefined;
    return !isClaimed || place.reservation.by !== by;
  });
  if (index >= 0) return { kind: "notClaimed", index };
  if (stage === undefined) return { kind: "landed" };
  const head = tables.stageHeads.get(nameOf(stage.name));
  const isOpen = head !== undefined && head.ttl >= stage.now && !head.isVoid && head.standing === undefined;
  return { kind: isOpen ? "landed" : "notStaged" };
}
