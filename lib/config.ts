/**
 * What one deployment of Tacit needs to know, as plain data: checked once, before any construct exists.
 * `parseConfig` turns what the CDK context holds into a `DeploymentConfig`, or says everything that is wrong with it.
 */

/** `retain` protects data from a deletion of the stacks; `destroy` removes it with them, for trials alone. */
export type Removal = "retain" | "destroy";

export type OidcConfig = {
  /** The `iss` of tokens; `/.well-known/openid-configuration` is found below it. */
  readonly issuer: string;
  /** The `aud` that a token must name. */
  readonly audience: string;
  /** The claim that names the account. Default: `sub`. */
  readonly accountClaim: string;
};

export type LimitsConfig = {
  /** Key packages that one account may claim in an hour: a group of a thousand devices takes a thousand. Default: 2,000. */
  readonly claimsPerHour: number;
  /** Messages that one device may append in a minute. Default: 300. */
  readonly messagesPerMinute: number;
  /** Requests a second that the stage admits, all sockets together. Default: 1,000. */
  readonly requestsPerSecond: number;
  /** Requests that the stage admits at once above that rate. Default: 2,000. */
  readonly requestBurst: number;
};

export type DeploymentConfig = {
  /** First part of the names of the stacks. Default: `Tacit`. */
  readonly name: string;
  /** Path of the WebSocket address. Default: `v1`. */
  readonly stage: string;
  readonly region: string;
  /** Twelve digits. Without it, the account is that of whoever deploys. */
  readonly account?: string;
  readonly oidc: OidcConfig;
  /** Days that an entry is kept. Default: 90. */
  readonly retentionDays: number;
  /** Days that logs of functions and of the socket are kept. Default: 30. */
  readonly logRetentionDays: number;
  readonly limits: LimitsConfig;
  /** Default: `retain`. */
  readonly removal: Removal;
  /** Origins of web pages that may upload and download blobs by presigned URL. Default: every origin. */
  readonly webOrigins: readonly string[];
  /**
   * API Gateway logs WebSocket stages through one role for each account and region. `create` makes it and points the
   * account to it; `existing` leaves that setting alone. Default: `create`.
   */
  readonly accessLogRole: "create" | "existing";
};

/** The periods that CloudWatch Logs knows. */
const logPeriods = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653];

export class ConfigError extends Error {
  readonly code = "config";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The context "tacit" (cdk.json) is not a valid deployment:\n${problems.map((line) => `  - ${line}`).join("\n")}`,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** Throws a `ConfigError` that names every problem, not only the first. */
export function parseConfig(input: unknown): DeploymentConfig {
  const problems: string[] = [];
  const root = section(input, "tacit", problems);
  const oidc = root.section("oidc");
  const limits = root.section("limits");
  const account = root.optional("account", matching(/^[0-9]{12}$/, "twelve digits, as a string"));
  const config: DeploymentConfig = {
    name: root.value(
      "name",
      matching(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, "a letter, then letters, digits or '-'"),
      "Tacit",
    ),
    stage: root.value("stage", matching(/^[A-Za-z0-9_-]{1,128}$/, "letters, digits, '_' or '-'"), "v1"),
    region: root.value("region", matching(/^[a-z]{2}(-[a-z]+)+-[0-9]$/, "an AWS region such as eu-central-1")),
    ...(account === undefined ? {} : { account }),
    oidc: {
      issuer: oidc.value("issuer", issuer),
      audience: oidc.value("audience", matching(/^\S+$/, "a string without spaces")),
      accountClaim: oidc.value("accountClaim", matching(/^\S+$/, "the name of a claim"), "sub"),
    },
    retentionDays: root.value("retentionDays", integer(1, 3650), 90),
    logRetentionDays: root.value("logRetentionDays", oneOf(logPeriods), 30),
    limits: {
      claimsPerHour: limits.value("claimsPerHour", integer(1, 1_000_000), 2_000),
      messagesPerMinute: limits.value("messagesPerMinute", integer(1, 100_000), 300),
      requestsPerSecond: limits.value("requestsPerSecond", integer(1, 1_000_000), 1_000),
      requestBurst: limits.value("requestBurst", integer(1, 1_000_000), 2_000),
    },
    removal: root.value("removal", oneOf(["retain", "destroy"] as const), "retain"),
    webOrigins: root.value("webOrigins", origins, ["*"]),
    accessLogRole: root.value("accessLogRole", oneOf(["create", "existing"] as const), "create"),
  };
  limits.refuseUnknown();
  oidc.refuseUnknown();
  root.refuseUnknown();
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** Returns the value when it is right, or what it should have been. */
type Check<T> = (value: unknown) => { readonly ok: T } | { readonly expected: string };

function matching(pattern: RegExp, expected: string): Check<string> {
  return (value) => (typeof value === "string" && pattern.test(value) ? { ok: value } : { expected });
}

function integer(min: number, max: number): Check<number> {
  return (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
      ? { ok: value }
      : { expected: `a whole number from ${min} to ${max}` };
}

function oneOf<const T extends string | number>(allowed: readonly T[]): Check<T> {
  return (value) => {
    const found = allowed.find((candidate) => candidate === value);
    return found === undefined ? { expected: `one of ${allowed.join(", ")}` } : { ok: found };
  };
}

/** Tokens travel from the issuer and its keys are fetched from it, so plain http is for this machine alone. */
const issuer: Check<string> = (value) => {
  const expected = "an https:// address without query and fragment (http:// for localhost alone)";
  if (typeof value !== "string" || !URL.canParse(value)) return { expected };
  const url = new URL(value);
  const local = url.protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  const plain = url.search === "" && url.hash === "" && url.username === "";
  return plain && (url.protocol === "https:" || local) ? { ok: value } : { expected };
};

const origins: Check<readonly string[]> = (value) => {
  const isOrigin = (item: unknown): item is string =>
    typeof item === "string" && (item === "*" || (URL.canParse(item) && new URL(item).origin === item));
  return Array.isArray(value) && value.length > 0 && value.every(isOrigin)
    ? { ok: value }
    : { expected: `a list of origins such as ["https://chat.example.com"], or ["*"]` };
};

/** Reads the fields of one object, and collects problems under their full names. */
function section(input: unknown, path: string, problems: string[]) {
  const fields = new Map<string, unknown>();
  const known = new Set<string>();
  if (typeof input === "object" && input !== null && !Array.isArray(input)) {
    for (const [name, value] of Object.entries(input)) fields.set(name, value);
  } else if (input !== undefined) {
    problems.push(`${path}: expected an object`);
  }

  function optional<T>(name: string, check: Check<T>): T | undefined {
    known.add(name);
    const given = fields.get(name);
    if (given === undefined) return undefined;
    const result = check(given);
    if ("ok" in result) return result.ok;
    problems.push(`${path}.${name}: expected ${result.expected}, got ${JSON.stringify(given)}`);
    return undefined;
  }

  function value<T>(name: string, check: Check<T>, fallback?: NoInfer<T>): T {
    const given = optional(name, check);
    if (given !== undefined) return given;
    if (fallback !== undefined) return fallback;
    const result = check(undefined);
    if (!fields.has(name) && "expected" in result)
      problems.push(`${path}.${name}: missing, expected ${result.expected}`);
    // Never seen by a caller: with a problem on the list, parseConfig throws.
    return undefined as T;
  }

  return {
    optional,
    value,
    section(name: string) {
      known.add(name);
      return section(fields.get(name), `${path}.${name}`, problems);
    },
    refuseUnknown() {
      for (const name of fields.keys()) if (!known.has(name)) problems.push(`${path}.${name}: not a setting`);
    },
  };
}
