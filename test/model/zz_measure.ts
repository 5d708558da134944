import { explore } from "/work/main/test/model/explore.ts";
import { runWorld } from "/work/main/test/model/logWorld.ts";
import { worlds } from "/work/main/test/model/worlds.ts";
const only = process.argv[2];
for (const [t, w] of Object.entries(worlds)) {
  if (only && !t.includes(only)) continue;
  const t0 = Date.now();
  let n = 0;
  try {
    const r = await explore(() => {
      n++;
      if (Date.now() - t0 > 25000) throw new Error("cap " + n);
      return runWorld(w);
    });
    console.log(t, r, Date.now() - t0);
  } catch (e) {
    console.log(t, String(e).slice(0, 1500), Date.now() - t0);
  }
}
