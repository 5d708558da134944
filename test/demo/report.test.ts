import type { LocalCloud, StoredItem } from "@tacit/local";
import { findPlaintext, storageReport } from "../../demo/report.ts";

function cloudWith(items: readonly StoredItem[], blob = ""): Pick<LocalCloud, "tables" | "bucketObjects"> {
  return {
    tables: () => Promise.resolve([{ logicalId: "LogTable81E80B89", name: "x", items }]),
    bucketObjects: () => [{ bucket: "b", key: "kept/1", versionId: "1", body: Buffer.from(blob) }],
  };
}

const binary = (text: string) => ({ B: Buffer.from(text).toString("base64") });
const secret = "the words themselves";

test.each([
  ["plain text", cloudWith([{ note: { S: `so: ${secret}` } }])],
  ["bytes", cloudWith([{ p: binary(`so: ${secret}`) }])],
  ["bytes within a map within a list", cloudWith([{ p: { L: [{ M: { q: binary(secret) } }] } }])],
  ["an object of the bucket", cloudWith([], secret)],
])("a message that can be read in %s is found", async (_where, cloud) => {
  expect(await findPlaintext(cloud, ["something else", secret])).toEqual([expect.stringContaining(secret)]);
});

test("what cannot be read is not found", async () => {
  expect(await findPlaintext(cloudWith([{ p: binary("other words") }], "more"), [secret])).toEqual([]);
});

test("the report counts items and bytes, and shows the newest entry under full names", async () => {
  const entry = (at: string, bytes: string) => ({ seq: { N: at }, k: { S: "m" }, a: { N: at }, p: binary(bytes) });
  const report = await storageReport(cloudWith([entry("2", "\u0001\u0002"), entry("1", "\u0003")], "12345"));
  expect(report).toMatch(/^ {2}Log +2 +25$/m);
  expect(report).toMatch(/^ {2}Blobs \(bucket\) +1 +5$/m);
  expect(report).toMatch(/^ {2}kind +message$/m);
  expect(report).toMatch(/^ {2}ciphertext +0102 \(2 bytes\)$/m);
});
