import { history, stage } from "./support/stage.ts";
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
it("x", async () => {
  const world = stage();
  const { clock, relay } = world;
  const chance = seeded(Number(process.env.SEED ?? 1));
  const people = [await world.arrive("alice"), await world.arrive("bob")] as const;
  const t0 = clock.now();
  const log: string[] = [];
  for (const c of people) { c.on("failure", (e) => log.push(`FAIL ${c.account} ${e.message}`)); c.connection.subscribe((s) => log.push(`${clock.now() - t0} ${c.account} ${s.status}`)); }
  let isLossy = true;
  relay.filter = (f) => {
    const ok = !isLossy || chance() > 0.12;
    log.push(`${clock.now() - t0} ${f.account} ${f.direction} ${f.frame.op ?? f.frame.push ?? JSON.stringify(f.frame).slice(0, 120)}${ok ? "" : " LOST"}`);
    return ok;
  };
  const open = (client: any, other: string) => client.conversation({ with: [other] }).catch((e: any) => { log.push("retry " + e.message); return client.conversation({ with: [other] }); });
  const chats: any = await clock.until(Promise.all([open(people[0], "bob"), open(people[1], "alice")]));
  for (let i = 0; i < 12; i++) {
    const who = chance() < 0.5 ? 0 : 1;
    const action = chance();
    if (action < 0.1) { log.push("CUT"); relay.cut(people[who].account); }
    else if (action < 0.25) { log.push("ROTATE " + who); void chats[who].rotateKeys().catch((e: any) => log.push("rot " + e.message)); }
    else { log.push("SEND " + who); await clock.until(chats[who].send({ text: `${people[who].account} ${i}` })); }
    if (chance() < 0.6) await clock.advance(chance() * 3_000);
  }
  await clock.advance(60_000);
  isLossy = false;
  relay.cut();
  await clock.advance(1_200_000);
  console.log(log.slice(0, 400).join("\n"));
  for (const c of chats) console.log(JSON.stringify((await history(c)).map((i: any) => [i.seq, i.kind, i.text])), c.state.current, c.outgoing().length);
});
