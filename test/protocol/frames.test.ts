/** Whatever arrives is parsed into a closed union, or refused with a code: never a throw, never a cast. */
import fc from "fast-check";
import {
  decodeBase64Url,
  encodeBase64Url,
  errorCodes,
  isBase64Url,
  limits,
  operations,
  parseAnswer,
  parseRequest,
  parseServerFrame,
  refuse,
  utf8Length,
  type Operation,
} from "@tacit/protocol";
import { direct, validRequests } from "../support/validRequests.ts";

const names = Object.keys(operations) as Operation[];
const frame = (op: string, fields: object) => JSON.stringify({ id: "1", op, ...fields });

test.each(names)("%s: a valid request parses to itself", (op) => {
  expect(parseRequest(frame(op, validRequests[op]))).toEqual({
    ok: true,
    id: "1",
    request: { op, ...validRequests[op] },
  });
});

test.each(names)("%s: an unknown field is refused", (op) => {
  expect(parseRequest(frame(op, { ...validRequests[op], sender: "mallory" }))).toMatchObject({
    ok: false,
    code: "malformed",
  });
});

test.each(names)("%s: each required field, missing or mistyped, is refused", (op) => {
  for (const field of Object.keys(validRequests[op])) {
    const { [field]: _, ...rest } = validRequests[op];
    expect(parseRequest(frame(op, rest))).toMatchObject({ ok: false, id: "1", code: "malformed" });
    for (const wrong of [null, -1, 1.5, "", "=\n", {}, [[]], true, 2 ** 60]) {
      if (field === "leave" && wrong === true) continue;
      expect(parseRequest(frame(op, { ...validRequests[op], [field]: wrong }))).toMatchObject({
        ok: false,
        code: "malformed",
      });
    }
  }
});

test("no request has a field that the frame needs for itself", () => {
  for (const op of names)
    expect(Object.keys(operations[op].request.entries).filter((f) => f === "id" || f === "op")).toEqual([]);
});

test("a refusal never repeats the offending value", () => {
  const secret = "s3cret-value";
  const parsed = parseRequest(frame("getAccount", { account: `${secret} ` }));
  expect(JSON.stringify(parsed)).not.toContain(secret);
});

test("random text and random JSON never throw, on either side", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.constantFrom(...names).map((op) => frame(op, { x: 1 })),
      ),
      (text) => {
        const request = parseRequest(text);
        if (!request.ok) expect(errorCodes[request.code]).toBeDefined();
        expect(["ok", "error", "push", "platformError", "unknown"]).toContain(parseServerFrame(text).kind);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("prototype names are not operations", () => {
  for (const op of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    expect(parseRequest(frame(op, {}))).toMatchObject({ ok: false, code: "unknown_operation" });
  }
});

test("a frame above 32,768 bytes is refused by bytes, not by characters", () => {
  const fits = frame("hello", { pad: "" });
  const room = limits.requestFrame - fits.length;
  expect(parseRequest(frame("hello", { pad: "x".repeat(room) }))).toMatchObject({ code: "malformed" });
  expect(parseRequest(frame("hello", { pad: "x".repeat(room + 1) }))).toMatchObject({ code: "frame_too_large" });
  expect(parseRequest(frame("hello", { pad: "é".repeat(room / 2 + 1) }))).toMatchObject({ code: "frame_too_large" });
});

test("server frames: answers, refusals, pushes, the platform's own error, and what is unknown", () => {
  expect(parseServerFrame('{"id":"1","ok":{"version":1,"new":2}}')).toMatchObject({ kind: "ok", id: "1" });
  expect(parseServerFrame(JSON.stringify({ id: null, error: refuse("busy", "try again") }))).toMatchObject({
    kind: "error",
    id: null,
    error: { code: "busy", retryable: true },
  });
  expect(parseServerFrame(JSON.stringify({ push: "entries", conversation: direct, seq: 4 }))).toMatchObject({
    kind: "push",
  });
  expect(parseServerFrame('{"message":"Internal server error","connectionId":"a=","requestId":"b"}')).toMatchObject({
    kind: "platformError",
  });
  for (const text of ["", "[]", "1", "null", '{"push":"later"}', '{"id":"1","error":{"code":"novel"}}']) {
    expect(parseServerFrame(text)).toEqual({ kind: "unknown" });
  }
});

test("an answer is parsed against its operation; additions are dropped", () => {
  expect(parseAnswer("countKeyPackages", { count: 3, lastResort: true, later: 1 })).toEqual({
    count: 3,
    lastResort: true,
  });
  expect(parseAnswer("countKeyPackages", { count: "3" })).toBeUndefined();
});

test("base64url: one spelling for each byte string", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = encodeBase64Url(bytes);
      expect(text).toBe(Buffer.from(bytes).toString("base64url"));
      expect(decodeBase64Url(text)).toEqual(bytes);
    }),
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), (text) => {
      const accepted = isBase64Url(text);
      if (accepted) expect(encodeBase64Url(decodeBase64Url(text))).toBe(text);
      else expect(() => decodeBase64Url(text)).toThrow(RangeError);
    }),
  );
  for (const text of ["A", "AB==", "AB", "AAB", "A+", "é"]) expect(isBase64Url(text)).toBe(false);
});

test("utf8Length agrees with the platform", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => utf8Length(text) === new TextEncoder().encode(text).length),
  );
  expect(utf8Length("\ud800a")).toBe(new TextEncoder().encode("\ud800a").length);
});
