/** Tells stories, each on a cloud of its own. */
import { startLocalTacit, type LocalTacit } from "../../bench/localTacit.ts";
import { scene, type Story } from "./stage.ts";

export function tell(stories: Readonly<Record<string, Story>>): void {
  let cloud: LocalTacit;
  beforeEach(async () => {
    cloud = await startLocalTacit();
  }, 60_000);
  afterEach(async () => {
    await cloud.close();
  });
  test.each(Object.entries(stories))("%s", (_name, story) => story(scene(cloud)), 240_000);
}
