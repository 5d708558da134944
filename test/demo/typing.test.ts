import { createTypingSender, createTypingView } from "../../demo/page/typing.ts";

beforeEach(() => jest.useFakeTimers({ now: 1_000 }));
afterEach(() => jest.useRealTimers());

test("typing is said once, repeated while it goes on, and taken back when it ends", () => {
  const said: boolean[] = [];
  const sender = createTypingSender((active) => said.push(active));
  for (let key = 0; key < 8; key++) {
    sender.typed();
    jest.advanceTimersByTime(500);
  }
  expect(said).toEqual([true, true]);
  jest.advanceTimersByTime(10_000);
  expect(said).toEqual([true, true, false]);
  sender.stopped();
  expect(said).toHaveLength(3);
  sender.typed();
  expect(said.at(-1)).toBe(true);
});

test("a signal that is never taken back is not believed for ever, and a message ends it", () => {
  const shown: boolean[] = [];
  const view = createTypingView((typing) => shown.push(typing));
  view.told(true);
  jest.advanceTimersByTime(60_000);
  expect(shown).toEqual([true, false]);
  view.told(true);
  view.arrived();
  jest.advanceTimersByTime(60_000);
  expect(shown).toEqual([true, false, true, false]);
});
