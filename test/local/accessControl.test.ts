import { createAccessControl, type Caller } from "../../local/src/iam/accessControl.ts";
import { parsePolicy } from "../../local/src/iam/policy.ts";
import { connectSample, startSample } from "./sampleCloud.ts";

const TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/Entries";
const ROLE = "arn:aws:iam::123456789012:role/relay";

const caller = (...statements: readonly object[]): Caller => ({
  functionId: "Relay",
  roleArn: ROLE,
  account: "123456789012",
  sessionArn: "arn:aws:sts::123456789012:assumed-role/relay/Relay",
  statements: parsePolicy({ Statement: statements }, "Stack/Policy"),
});
const allow = (more: object = {}) => ({ Effect: "Allow", Action: "dynamodb:PutItem", Resource: TABLE, ...more });
const deny = (more: object = {}) => ({ ...allow(more), Effect: "Deny" });
const request = { action: "dynamodb:PutItem", resource: TABLE };
const isAllowed = (who: Caller, asked: object = {}) =>
  createAccessControl([who], []).check(who, { ...request, ...asked }) === null;

describe("identity policies", () => {
  test.each<[string, readonly object[], boolean]>([
    ["nothing allows", [], false],
    ["an exact action and resource", [allow()], true],
    ["action names ignore case", [allow({ Action: "DynamoDB:putitem" })], true],
    ["resources do not", [allow({ Resource: TABLE.toUpperCase() })], false],
    ["a wildcard in the action", [allow({ Action: "dynamodb:Put*" })], true],
    ["a question mark is one character", [allow({ Action: "dynamodb:PutIte?" })], true],
    ["and not two", [allow({ Action: "dynamodb:PutI?" })], false],
    ["a dot is a dot", [allow({ Resource: TABLE.replace("dynamodb", "dynam.db") })], false],
    ["a wildcard in the resource", [allow({ Resource: "arn:aws:dynamodb:*:*:table/*" })], true],
    ["the table's indexes are not the table", [allow({ Resource: `${TABLE}/index/*` })], false],
    ["another action", [allow({ Action: "dynamodb:GetItem" })], false],
    ["lists", [allow({ Action: ["dynamodb:GetItem", "dynamodb:PutItem"], Resource: ["x", TABLE] })], true],
    ["NotAction that spares it", [{ Effect: "Allow", NotAction: "dynamodb:Delete*", Resource: TABLE }], true],
    ["NotAction that names it", [{ Effect: "Allow", NotAction: "dynamodb:*", Resource: TABLE }], false],
    ["NotResource that names it", [{ Effect: "Allow", Action: "*", NotResource: TABLE }], false],
    ["an explicit deny wins", [allow(), deny({ Action: "dynamodb:*" })], false],
    ["a deny of something else does not", [allow(), deny({ Action: "dynamodb:GetItem" })], true],
  ])("%s", (_, statements, expected) => {
    expect(isAllowed(caller(...statements))).toBe(expected);
  });

  test("a denial names action, resource and who asked", () => {
    const who = caller();
    const access = createAccessControl([who], []);
    expect(access.check(who, request)).toBe(
      `User: ${who.sessionArn} is not authorized to perform: dynamodb:PutItem on resource: ${TABLE} because no identity-based policy allows the dynamodb:PutItem action`,
    );
    expect(access.denied()).toEqual([{ function: "Relay", action: "dynamodb:PutItem", resource: TABLE }]);
  });
});

describe("conditions", () => {
  const via = (operator: string, value: unknown) => allow({ Condition: { [operator]: { "kms:ViaService": value } } });
  const asked = { context: { "kms:ViaService": "s3.eu-central-1.amazonaws.com" } };

  test.each<[string, object, object, boolean]>([
    ["equal", via("StringEquals", "s3.eu-central-1.amazonaws.com"), asked, true],
    ["one of several values", via("StringEquals", ["x", "s3.eu-central-1.amazonaws.com"]), asked, true],
    ["not equal", via("StringEquals", "dynamodb.eu-central-1.amazonaws.com"), asked, false],
    ["missing key", via("StringEquals", "s3.eu-central-1.amazonaws.com"), {}, false],
    ["missing key, IfExists", via("StringEqualsIfExists", "s3.eu-central-1.amazonaws.com"), {}, true],
    ["missing key, negated operator", via("StringNotEquals", "x"), {}, true],
    ["like", via("StringLike", "s3.*.amazonaws.com"), asked, true],
    ["not like", via("StringNotLike", "s3.*"), asked, false],
    ["Null of a missing key", via("Null", "true"), {}, true],
    ["Null of a present key", via("Null", "true"), asked, false],
    ["loopback counts as TLS", allow({ Condition: { Bool: { "aws:SecureTransport": "true" } } }), {}, true],
    ["numbers", allow({ Condition: { NumericLessThan: { "s3:TlsVersion": "1.2" } } }), {}, false],
    [
      "the caller's role",
      allow({ Condition: { ArnLike: { "aws:PrincipalArn": "arn:aws:iam::*:role/rel*" } } }),
      {},
      true,
    ],
  ])("%s", (_, statement, given, expected) => {
    expect(isAllowed(caller(statement), given)).toBe(expected);
  });

  test.each<[string, object, string]>([
    ["a condition key", { Condition: { StringEquals: { "aws:username": "x" } } }, "aws:username"],
    [
      "a key that nothing sets",
      { Condition: { StringEquals: { "dynamodb:LeadingKeys": "x" } } },
      "dynamodb:LeadingKeys",
    ],
    ["a quantifier", { Condition: { "ForAllValues:StringEquals": { "aws:PrincipalArn": "x" } } }, "ForAllValues"],
    ["an operator", { Condition: { DateLessThan: { "aws:PrincipalArn": "x" } } }, "DateLessThan"],
    ["a policy variable", { Resource: "arn:aws:s3:::x/${aws:username}" }, "policy variable"],
    ["an element", { NotPrincipal: "*" }, "NotPrincipal"],
    ["a principal type", { Principal: { Federated: "x" } }, "Federated"],
    ["an effect", { Effect: "Maybe" }, "Maybe"],
  ])("%s that is not understood stops the start", (_, more, named) => {
    expect(() => caller(allow(more))).toThrow(named);
  });
});

describe("resource policies", () => {
  const policy = (statement: object) => parsePolicy({ Statement: statement }, "Stack/Key");
  const account = { AWS: "arn:aws:iam::123456789012:root" };
  const onKey = (statement: object) => ({ resourcePolicy: policy(statement), resourcePolicyDecides: true });

  test("a key's policy must let the account decide, or name the role", () => {
    expect(isAllowed(caller(allow()), onKey(allow({ Principal: account })))).toBe(true);
    expect(isAllowed(caller(allow()), onKey(allow({ Principal: { AWS: "arn:aws:iam::999999999999:root" } })))).toBe(
      false,
    );
    expect(isAllowed(caller(), onKey(allow({ Principal: account })))).toBe(false);
    expect(isAllowed(caller(), onKey(allow({ Principal: { AWS: ROLE } })))).toBe(true);
    expect(isAllowed(caller(allow()), onKey(allow({ Principal: { Service: "logs.amazonaws.com" } })))).toBe(false);
  });

  test("a bucket's policy may deny what the role is allowed", () => {
    const insecure = deny({ Principal: "*", Condition: { Bool: { "aws:SecureTransport": "false" } } });
    expect(isAllowed(caller(allow()), { resourcePolicy: policy(insecure) })).toBe(true);
    expect(isAllowed(caller(allow()), { resourcePolicy: policy(deny({ Principal: "*" })) })).toBe(false);
  });

  test("how a statement for other services is narrowed does not matter", () => {
    const forLogs = {
      Principal: { Service: "logs.amazonaws.com" },
      Condition: { ArnLike: { "kms:EncryptionContext:aws:logs:arn": "x" } },
    };
    expect(() => policy(allow(forLogs))).not.toThrow();
  });
});

describe("grants", () => {
  test("are counted by statement and action; of two that allow the same, one stays unused", () => {
    const who = caller(allow({ Sid: "One", Action: ["dynamodb:PutItem", "dynamodb:GetItem"] }), allow({ Sid: "Two" }));
    const access = createAccessControl([who], []);
    access.check(who, request);
    const grant = (statement: string, action: string) => ({
      function: "Relay",
      statement: `Stack/Policy#${statement}`,
      action,
    });
    expect(access.granted()).toEqual([
      grant("One", "dynamodb:PutItem"),
      grant("One", "dynamodb:GetItem"),
      grant("Two", "dynamodb:PutItem"),
    ]);
    expect(access.used()).toEqual([grant("One", "dynamodb:PutItem")]);
  });

  test("can be withheld one by one; a grant that there is not stops the start", () => {
    const who = caller(allow({ Action: ["dynamodb:PutItem", "dynamodb:GetItem"] }));
    const [put, get] = createAccessControl([who], []).granted();
    const access = createAccessControl([who], put ? [put] : []);
    expect(access.check(who, request)).toContain("dynamodb:PutItem");
    expect(access.check(who, { ...request, action: "dynamodb:GetItem" })).toBeNull();
    expect(() => createAccessControl([who], get ? [{ ...get, action: "dynamodb:Query" }] : [])).toThrow(
      "dynamodb:Query",
    );
  });
});

describe("in the sample", () => {
  test("each part of a transaction needs the action of its kind", async () => {
    const cloud = await startSample();
    try {
      const client = await connectSample(cloud);
      const TableName = (await client.ask("env", { name: "ENTRIES" }))["value"];
      const Heads = (await client.ask("env", { name: "HEADS" }))["value"];
      const Key = { log: { S: "a" }, seq: { N: "1" } };
      const transact = (...TransactItems: readonly object[]) =>
        client.call("dynamodb", "transactWriteItems", { TransactItems });
      const put = { Put: { TableName, Item: Key } };
      expect((await transact(put, { Put: { TableName: Heads, Item: { log: { S: "a" } } } })).error).toBeUndefined();
      expect((await transact(put, { Delete: { TableName, Key: { ...Key, seq: { N: "2" } } } })).error).toMatchObject({
        name: "AccessDeniedException",
        message: expect.stringContaining("dynamodb:DeleteItem"),
      });
      const update = {
        TableName: Heads,
        Key: { log: { S: "b" } },
        UpdateExpression: "SET x = :x",
        ExpressionAttributeValues: { ":x": { S: "y" } },
      };
      expect((await transact(put, { Update: update })).error?.message).toContain("dynamodb:UpdateItem");
    } finally {
      await cloud.close();
    }
  });

  test("a table under a key needs the key, by way of DynamoDB; without it the action is named", async () => {
    const first = await startSample();
    const grant = first.iam
      .granted()
      .find(({ statement, action }) => statement.endsWith("#TablesKey") && action === "kms:Decrypt");
    await first.close();
    const cloud = await startSample({ withoutGrants: grant ? [grant] : [] });
    try {
      const client = await connectSample(cloud);
      const put = async (variable: string, Item: object) =>
        (
          await client.call("dynamodb", "putItem", {
            TableName: (await client.ask("env", { name: variable }))["value"],
            Item,
          })
        ).error;
      expect((await put("ENTRIES", { log: { S: "a" }, seq: { N: "1" } }))?.message).toContain("kms:Decrypt");
      expect(await put("HEADS", { log: { S: "a" } })).toBeUndefined();
      expect((await cloud.tables()).flatMap(({ items }) => items)).toHaveLength(1);
    } finally {
      await cloud.close();
    }
  });

  test("without the grant to write logs there are none", async () => {
    const first = await startSample();
    const grants = first.iam.granted().filter(({ action }) => action === "logs:PutLogEvents");
    await first.close();
    const cloud = await startSample({ withoutGrants: grants });
    try {
      const client = await connectSample(cloud);
      await client.ask("log", { text: "lost" });
      expect(cloud.logs("Relay")).toEqual([]);
    } finally {
      await cloud.close();
    }
  });
});
