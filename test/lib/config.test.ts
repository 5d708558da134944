import { ConfigError, parseConfig } from "../../lib/config.ts";

const minimal = { region: "eu-central-1", oidc: { issuer: "https://login.acme.com", audience: "tacit" } };

function problemsOf(input: unknown): readonly string[] {
  try {
    parseConfig(input);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("what need not be said has a default that protects data", () => {
  expect(parseConfig(minimal)).toEqual({
    name: "Tacit",
    stage: "v1",
    region: "eu-central-1",
    oidc: { issuer: "https://login.acme.com", audience: "tacit", accountClaim: "sub" },
    retentionDays: 90,
    logRetentionDays: 30,
    limits: { claimsPerHour: 2_000, messagesPerMinute: 300, requestsPerSecond: 1_000, requestBurst: 2_000 },
    removal: "retain",
    webOrigins: ["*"],
    accessLogRole: "create",
  });
});

test("everything can be said", () => {
  const whole = {
    name: "Chat-Staging",
    stage: "live",
    region: "us-gov-west-1",
    account: "123456789012",
    oidc: { issuer: "http://127.0.0.1:4000/realm", audience: "chat", accountClaim: "https://acme.com/user" },
    retentionDays: 7,
    logRetentionDays: 14,
    limits: { claimsPerHour: 1, messagesPerMinute: 2, requestsPerSecond: 3, requestBurst: 4 },
    removal: "destroy",
    webOrigins: ["https://chat.acme.com", "http://localhost:8080"],
    accessLogRole: "existing",
  };
  expect(parseConfig(whole)).toEqual(whole);
});

test("nothing configured: every missing setting is named, with what it should be", () => {
  expect(problemsOf(undefined)).toEqual([
    "tacit.region: missing, expected an AWS region such as eu-central-1",
    "tacit.oidc.issuer: missing, expected an https:// address without query and fragment (http:// for localhost alone)",
    "tacit.oidc.audience: missing, expected a string without spaces",
  ]);
});

test("all problems are told at once, in one message that says where to look", () => {
  expect(() => parseConfig({ ...minimal, region: "Frankfurt", removal: "keep", colour: 1 })).toThrow(
    [
      'The context "tacit" (cdk.json) is not a valid deployment:',
      '  - tacit.region: expected an AWS region such as eu-central-1, got "Frankfurt"',
      '  - tacit.removal: expected one of retain, destroy, got "keep"',
      "  - tacit.colour: not a setting",
    ].join("\n"),
  );
});

test.each([
  ["a list", []],
  ["text", "tacit"],
  ["null", null],
])("%s is not a deployment", (_, input) => {
  expect(problemsOf(input)[0]).toBe("tacit: expected an object");
});

test.each([
  ["http elsewhere", "http://login.acme.com"],
  ["no address", "login.acme.com"],
  ["a query", "https://login.acme.com/?a=1"],
  ["a fragment", "https://login.acme.com/#a"],
  ["a password", "https://me:secret@login.acme.com"],
  ["a look-alike of localhost", "http://localhost.acme.com"],
  ["a number", 7],
])("an issuer is refused: %s", (_, issuer) => {
  expect(problemsOf({ ...minimal, oidc: { issuer, audience: "tacit" } })).toHaveLength(1);
});

test.each([
  ["name", "9lives"],
  ["stage", "a/b"],
  ["account", 123456789012],
  ["account", "1234"],
  ["retentionDays", 0],
  ["retentionDays", 1.5],
  ["retentionDays", "90"],
  ["logRetentionDays", 31],
  ["webOrigins", []],
  ["webOrigins", "*"],
  ["webOrigins", ["https://chat.acme.com/"]],
  ["accessLogRole", "none"],
])("%s refuses %j", (setting, value) => {
  const problems = problemsOf({ ...minimal, [setting]: value });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(`tacit.${setting}: expected `);
});

test.each(["claimsPerHour", "messagesPerMinute", "requestsPerSecond", "requestBurst"])(
  "limits.%s is a count",
  (limit) => {
    for (const value of [0, -1, 0.5, "10", null, Number.NaN]) {
      expect(problemsOf({ ...minimal, limits: { [limit]: value } })).toHaveLength(1);
    }
  },
);

test("a setting misspelt inside a section is found", () => {
  expect(problemsOf({ ...minimal, limits: { claimPerHour: 5 } })).toEqual(["tacit.limits.claimPerHour: not a setting"]);
});
