/** Stages: nothing is seen before its commit, and all of it with it. */
import { randomId } from "../../../bench/rawDevice.ts";
import type { LandingWrite, Stage, StageName, StoredEntry } from "../../../lambdas/ports.ts";
import type { MakePorts } from "./ports.ts";

const day = 86_400;

export function stagesContract(make: MakePorts): void {
  async function claimed(ports = make(), by = "ann") {
    const [device, claim, keyPackage] = [randomId(32), `0${randomId()}`, randomId(32)];
    await ports.inbox.reserve({ device, id: claim, by, keyPackage, ttl: day });
    return { ports, device, claim, keyPackage };
  }

  const stageOf = (more: Partial<StageName> = {}): StageName => {
    return { conversation: `g-${randomId()}`, entry: randomId(), by: "ann", ...more };
  };
  const welcome = ({ device, claim }: { device: string; claim: string }, more: object = {}) => {
    return { device, claim, payload: { inline: "AQ" }, at: 7, ttl: 365 * day, ...more };
  };

  function commitOf(stage: StageName): LandingWrite {
    const entry: StoredEntry = {
      kind: "commit",
      seq: 1,
      prev: 0,
      id: stage.entry,
      turn: 0,
      at: 1_234,
      expires: 2_000,
      ttl: 90_000,
      payload: { inline: "AA" },
      account: stage.by,
      roster: { add: [stage.by], remove: [] },
    };
    const lastCommit = { id: entry.id, seq: 1, at: entry.at, by: stage.by };
    const base = { roster: [stage.by], dropped: new Map(), lastCommit, generation: 0, predecessor: undefined };
    const next = { turn: 1, ceiling: 64, ...base };
    const { conversation } = stage;
    return {
      conversation,
      entry,
      expected: undefined,
      next,
      welcomes: [],
      stage: { name: stage, now: 0, ttl: 9 * day },
    };
  }

  const plain = (stage: Stage | undefined) => stage && { ...stage, devices: [...stage.devices].sort() };

  describe("stages", () => {
    test("a Welcome is seen with its commit, as one that the commit brought, and can then be deleted", async () => {
      const { ports, device, claim, keyPackage } = await claimed();
      const stage = stageOf();
      expect(await ports.stages.lay(stage, welcome({ device, claim }))).toEqual({ laid: true });
      expect(await ports.stages.note(stage, [device], day)).toBe(true);
      expect(await ports.inbox.page("cid", device, undefined, 10)).toMatchObject({ items: [] });
      await ports.inbox.remove("cid", device, claim);
      expect(await ports.landing.land(commitOf(stage))).toEqual({ kind: "landed" });
      const payload = { inline: "AQ" };
      const { conversation } = stage;
      const item = { kind: "welcome", id: claim, conversation, seq: 1, turn: 1, keyPackage, payload, at: 1_234 };
      expect((await ports.inbox.page("cid", device, undefined, 10)).items).toEqual([item]);
      expect(plain(await ports.stages.get(stage, 100 * day))).toMatchObject({ state: "inForce" });
      await ports.inbox.remove("cid", device, claim);
      expect((await ports.inbox.page("cid", device, undefined, 10)).items).toEqual([]);
    });

    test("it collects devices, each once, and forgets them after their time", async () => {
      const { stages } = make();
      const stage = stageOf();
      expect(await stages.get(stage, 0)).toBeUndefined();
      await stages.note(stage, ["a", "b"], day);
      await stages.note(stage, ["a", "b"], day);
      await stages.note(stage, ["b", "c"], 2 * day);
      expect(plain(await stages.get(stage, 0))).toEqual({ state: "open", devices: ["a", "b", "c"] });
      expect(plain(await stages.get(stage, day + 1))).toEqual({ state: "open", devices: ["b", "c"] });
      expect(await stages.get(stage, 2 * day + 1)).toBeUndefined();
      expect(await stages.get({ ...stage, by: "eve" }, 0)).toBeUndefined();
    });

    test("a place takes the Welcome of its own account, again from the same stage, and from another when told", async () => {
      const { ports, device, claim } = await claimed();
      const { stages } = ports;
      const [stage, other] = [stageOf(), stageOf()];
      const refused = { laid: false, heldBy: undefined };
      expect(await stages.lay(stageOf({ by: "eve" }), welcome({ device, claim }))).toEqual(refused);
      expect(await stages.lay(stage, welcome({ device, claim: `0${randomId()}` }))).toEqual(refused);
      expect(await stages.lay(stage, welcome({ device: randomId(32), claim }))).toEqual(refused);
      // Nothing lies there yet that could be taken from another stage.
      expect(await stages.lay(stage, welcome({ device, claim }), other)).toEqual(refused);
      for (let i = 0; i < 2; i++) expect(await stages.lay(stage, welcome({ device, claim }))).toEqual({ laid: true });
      expect(await stages.lay(other, welcome({ device, claim }))).toEqual({ laid: false, heldBy: stage });
      const eves = stageOf({ by: "eve" });
      expect(await stages.lay(eves, welcome({ device, claim }), stage)).toEqual(refused);
      for (let i = 0; i < 2; i++) {
        expect(await stages.lay(other, welcome({ device, claim }), stage)).toEqual({ laid: true });
      }
      expect(await stages.lay(stage, welcome({ device, claim }))).toEqual({ laid: false, heldBy: other });
    });

    test("what is staged is no claim any more: a commit cannot bring its own Welcome there", async () => {
      const { ports, device, claim } = await claimed();
      const stage = stageOf();
      await ports.stages.lay(stage, welcome({ device, claim }));
      const { stage: _, ...write } = commitOf(stageOf());
      const welcomes = [{ device, claim, payload: { inline: "AQ" }, by: "ann", ttl: day }];
      expect(await ports.landing.land({ ...write, welcomes })).toEqual({ kind: "notClaimed", index: 0 });
    });

    test("what was abandoned never lands, and what landed is not abandoned", async () => {
      const { ports, device, claim } = await claimed();
      const { stages, landing, inbox } = ports;
      const [stage, landed] = [stageOf(), stageOf()];
      await stages.lay(stage, welcome({ device, claim }));
      await stages.note(stage, [device], day);
      expect(await stages.abandon(stage, 2 * day)).toBe(true);
      expect(await stages.abandon(stage, 2 * day)).toBe(true);
      expect(await stages.note(stage, [device], day)).toBe(false);
      expect(await landing.land(commitOf(stage))).toEqual({ kind: "notStaged" });
      expect(await ports.conversations.get(stage.conversation)).toBeUndefined();
      expect(plain(await stages.get(stage, 0))).toMatchObject({ state: "void" });
      expect((await inbox.page("cid", device, undefined, 10)).items).toEqual([]);
      // Its claim goes on, though its device has looked meanwhile.
      const other = stageOf();
      expect(await stages.lay(other, welcome({ device, claim }))).toEqual({ laid: false, heldBy: stage });
      expect(await stages.lay(other, welcome({ device, claim }), stage)).toEqual({ laid: true });

      await stages.note(landed, ["a"], day);
      await landing.land(commitOf(landed));
      expect(await stages.abandon(landed, day)).toBe(false);
      expect(await stages.note(landed, ["b"], day)).toBe(false);
      expect(plain(await stages.get(landed, 0))).toEqual({ state: "inForce", devices: ["a"] });
    });

    test("it comes into force once, with its account's commit, not after its time, and all together or not at all", async () => {
      const ports = make();
      const { stages, landing } = ports;
      const stage = stageOf();
      await stages.note(stage, ["a"], day);
      const write = commitOf(stage);
      const late = { ...write, stage: { ...write.stage!, now: day + 1 } };
      const foreign = { ...write, stage: { ...write.stage!, name: { ...stage, by: "eve" } } };
      const unknown = { ...write, stage: { ...write.stage!, name: stageOf() } };
      for (const wrong of [late, foreign, unknown]) expect(await landing.land(wrong)).toEqual({ kind: "notStaged" });
      expect(await ports.conversations.get(stage.conversation)).toBeUndefined();
      expect(plain(await stages.get(stage, 0))).toMatchObject({ state: "open" });
      // Another commit ends the turn: the stage does not come into force.
      const { stage: _, ...rival } = commitOf({ ...stage, entry: randomId() });
      expect(await landing.land(rival)).toEqual({ kind: "landed" });
      expect(await landing.land(write)).toEqual({ kind: "conflict" });
      expect(plain(await stages.get(stage, 0))).toMatchObject({ state: "open" });

      const own = stageOf();
      await stages.note(own, ["a"], day);
      const first = commitOf(own);
      for (let i = 0; i < 2; i++) expect(await landing.land(first)).toEqual({ kind: "landed" });
      const { entry } = first;
      const again = { ...first.next, turn: 2, lastCommit: { ...first.next.lastCommit, seq: 2 } };
      const twice = { ...first, entry: { ...entry, seq: 2, prev: 1, turn: 1 }, expected: first.next, next: again };
      expect(await landing.land(twice)).toEqual({ kind: "notStaged" });
    });
  });
}
