/** The relay's stories, each on a cloud of its own. */
import { startLocalTacit, type LocalTacit } from "../../bench/localTacit.ts";
import { scene } from "./stage.ts";
import { relayStories } from "./stories/index.ts";

let cloud: LocalTacit;
beforeEach(async () => {
  cloud = await startLocalTacit();
}, 60_000);
afterEach(async () => {
  await cloud.close();
});

test.each(Object.entries(relayStories))(
  "%s",
  async (_name, story) => {
    await story(scene(cloud));
  },
  30_000,
);
