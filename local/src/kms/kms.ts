/**
 * KMS: its permissions, also those that other services need in a caller's name, and signatures. Symmetric keys encrypt
 * nothing here: what lies under them is stored as it is.
 *
 * https://docs.aws.amazon.com/kms/latest/developerguide/
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment, KeyModel } from "../cloudformation/deployment.ts";
import type { AccessControl, Caller } from "../iam/accessControl.ts";
import type { Meter } from "../meter.ts";
import { jsonResponse, ServiceError, type Service } from "../service.ts";

const CONTENT_TYPE = "application/x-amz-json-1.1";
const SIGNING_SPEC = "ECC_NIST_EDWARDS25519";
const SIGNING_ALGORITHM = "ED25519_SHA_512";
const LARGEST_MESSAGE = 4096;

export interface Kms extends Service {
  /** Throws when the caller may not use the key by way of another service, as a table, bucket or queue under it needs. */
  authorizeVia(service: "dynamodb" | "s3" | "sqs", caller: Caller, keyArn: string, actions: readonly string[]): void;
  /** The public half of a signing key, by its id or ARN: SubjectPublicKeyInfo, DER. */
  publicKey(reference: string): Buffer;
}

export interface KmsOptions {
  readonly deployment: Deployment;
  readonly access: AccessControl;
  readonly meter: Meter;
  /** Directory of signing keys; in memory when null. */
  readonly directory: string | null;
}

export function createKms({ deployment, access, meter, directory }: KmsOptions): Kms {
  const signingKeys = new Map<string, KeyObject>();

  return {
    authorizeVia(service, caller, keyArn, actions) {
      const viaService = `${service}.${deployment.region}.amazonaws.com`;
      for (const action of actions) authorize(caller, findKey(keyArn), action, { "kms:ViaService": viaService });
    },
    publicKey: (reference) => publicKeyOf(findKey(reference)),
    read({ headers, body }) {
      const [api, operation = ""] = String(headers["x-amz-target"] ?? "").split(".");
      if (api !== "TrentService" || (operation !== "Sign" && operation !== "GetPublicKey")) {
        throw new ServiceError(400, "UnsupportedOperationException", `${operation} is not hosted`);
      }
      return { operation, input: JSON.parse(body.toString("utf8")) as unknown };
    },
    perform({ caller }, operation, input) {
      const { KeyId, Message, MessageType, SigningAlgorithm } = input as SignInput;
      const key = findKey(KeyId);
      authorize(
        caller,
        key,
        `kms:${operation}`,
        SigningAlgorithm === undefined ? {} : { "kms:SigningAlgorithm": SigningAlgorithm },
      );
      meter.add(`kms:${operation}`, { kmsAsymmetric: 1 });
      if (operation === "GetPublicKey") {
        const PublicKey = publicKeyOf(key).toString("base64");
        return answer({
          KeyId: key.arn,
          PublicKey,
          KeySpec: key.spec,
          KeyUsage: "SIGN_VERIFY",
          SigningAlgorithms: [SIGNING_ALGORITHM],
        });
      }
      const message = Buffer.from(Message, "base64");
      if (
        SigningAlgorithm !== SIGNING_ALGORITHM ||
        (MessageType ?? "RAW") !== "RAW" ||
        message.length > LARGEST_MESSAGE
      ) {
        throw new ServiceError(
          400,
          "ValidationException",
          `only raw messages up to ${LARGEST_MESSAGE} bytes, under ${SIGNING_ALGORITHM}`,
        );
      }
      return answer({
        KeyId: key.arn,
        SigningAlgorithm,
        Signature: sign(null, message, signingKey(key)).toString("base64"),
      });
    },
    answerError: ({ type, message }) =>
      jsonResponse(400, CONTENT_TYPE, { __type: type === "AccessDenied" ? "AccessDeniedException" : type, message }),
    throttled: new ServiceError(400, "ThrottlingException", "You have exceeded the rate at which you may call KMS."),
  };

  function findKey(reference: string): KeyModel {
    const key = deployment.keys.find(({ arn, name }) => arn === reference || name === reference);
    if (!key) throw new ServiceError(400, "NotFoundException", `Key '${reference}' does not exist`);
    return key;
  }

  function authorize(caller: Caller, key: KeyModel, action: string, context: Readonly<Record<string, string>>): void {
    const denial = access.check(caller, {
      action,
      resource: key.arn,
      context,
      resourcePolicy: key.policy,
      resourcePolicyDecides: true,
    });
    if (denial !== null) throw new ServiceError(400, "AccessDeniedException", denial);
  }

  function publicKeyOf(key: KeyModel): Buffer {
    return createPublicKey(signingKey(key)).export({ type: "spki", format: "der" });
  }

  function signingKey(key: KeyModel): KeyObject {
    if (key.spec !== SIGNING_SPEC)
      throw new ServiceError(400, "UnsupportedOperationException", `${key.spec} keys do not sign here`);
    const known = signingKeys.get(key.name) ?? (directory === null ? undefined : loadKey(directory, key.name));
    const pair = known ?? generateKeyPairSync("ed25519").privateKey;
    signingKeys.set(key.name, pair);
    if (!known && directory !== null) saveKey(directory, key.name, pair);
    return pair;
  }
}

interface SignInput {
  readonly KeyId: string;
  readonly Message: string;
  readonly MessageType?: string;
  readonly SigningAlgorithm?: string;
}

function answer(body: unknown) {
  return Promise.resolve(jsonResponse(200, CONTENT_TYPE, body));
}

function loadKey(directory: string, name: string): KeyObject | undefined {
  const file = join(directory, `${name}.pem`);
  return existsSync(file) ? createPrivateKey(readFileSync(file)) : undefined;
}

function saveKey(directory: string, name: string, key: KeyObject): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `${name}.pem`), key.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
}
