import { createReader } from "../../demo/reader.ts";

test("waits for what was read already and for what is still to come", async () => {
  const reader = createReader("Bob");
  reader.take({ from: "alice", text: "one" });
  await reader.until("one", 1_000);
  const two = reader.until("two", 1_000);
  reader.take({ from: "alice", text: "two" });
  await two;
  expect(reader.lines.map(({ text }) => text)).toEqual(["one", "two"]);
});

test("says who did not read what in time", async () => {
  await expect(createReader("Bob").until("one", 5)).rejects.toThrow(`Bob did not read "one" in time`);
});

test("a reader that failed fails whoever waits, now and later", async () => {
  const reader = createReader("Bob");
  const waiting = reader.until("one", 1_000);
  reader.fail(new Error("gone"));
  await expect(waiting).rejects.toThrow("gone");
  await expect(reader.until("two", 1_000)).rejects.toThrow("gone");
});
