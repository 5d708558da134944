/** @signalapp/libsignal-client (native): a session between two, and a sender key. */
import * as signal from "@signalapp/libsignal-client";
import { timed, timedRepeatedly, type Measure } from "./measure.ts";
import { payload } from "./ours.ts";
import type { PeerMeasure } from "./row.ts";

const nothing = (): never => {
  throw new Error("there is no such key");
};

class Sessions extends signal.SessionStore {
  readonly #records = new Map<string, signal.SessionRecord>();
  override async saveSession(name: signal.ProtocolAddress, record: signal.SessionRecord): Promise<void> {
    this.#records.set(name.toString(), record);
  }
  override async getSession(name: signal.ProtocolAddress): Promise<signal.SessionRecord | null> {
    return this.#records.get(name.toString()) ?? null;
  }
  override async getExistingSessions(names: signal.ProtocolAddress[]): Promise<signal.SessionRecord[]> {
    return names.flatMap((name) => this.#records.get(name.toString()) ?? []);
  }
}

class Identities extends signal.IdentityKeyStore {
  readonly keys = signal.PrivateKey.generate();
  override async getIdentityKey(): Promise<signal.PrivateKey> {
    return this.keys;
  }
  override async getLocalRegistrationId(): Promise<number> {
    return 1;
  }
  override async saveIdentity(): Promise<signal.IdentityChange> {
    return signal.IdentityChange.NewOrUnchanged;
  }
  override async isTrustedIdentity(): Promise<boolean> {
    return true;
  }
  override async getIdentity(): Promise<signal.PublicKey | null> {
    return null;
  }
}

class PreKeys extends signal.PreKeyStore {
  readonly #record: signal.PreKeyRecord;
  constructor(record: signal.PreKeyRecord) {
    super();
    this.#record = record;
  }
  override async savePreKey(): Promise<void> {}
  override async getPreKey(): Promise<signal.PreKeyRecord> {
    return this.#record;
  }
  override async removePreKey(): Promise<void> {}
}

class SignedPreKeys extends signal.SignedPreKeyStore {
  readonly #record: signal.SignedPreKeyRecord;
  constructor(record: signal.SignedPreKeyRecord) {
    super();
    this.#record = record;
  }
  override async saveSignedPreKey(): Promise<void> {}
  override async getSignedPreKey(): Promise<signal.SignedPreKeyRecord> {
    return this.#record;
  }
}

class KyberPreKeys extends signal.KyberPreKeyStore {
  readonly #record: signal.KyberPreKeyRecord;
  constructor(record: signal.KyberPreKeyRecord) {
    super();
    this.#record = record;
  }
  override async saveKyberPreKey(): Promise<void> {}
  override async getKyberPreKey(): Promise<signal.KyberPreKeyRecord> {
    return this.#record;
  }
  override async markKyberPreKeyUsed(): Promise<void> {}
}

class SenderKeys extends signal.SenderKeyStore {
  #record: signal.SenderKeyRecord | null = null;
  override async saveSenderKey(_: signal.ProtocolAddress, __: string, record: signal.SenderKeyRecord): Promise<void> {
    this.#record = record;
  }
  override async getSenderKey(): Promise<signal.SenderKeyRecord | null> {
    return this.#record;
  }
}

export async function libsignalMeasures(now: Date): Promise<PeerMeasure[]> {
  const plaintext = Uint8Array.from(payload);
  const alice = signal.ProtocolAddress.new("9d0652a3-dcc3-4d11-975f-74d61598733f", 1);
  const bob = signal.ProtocolAddress.new("796abedb-ca4e-4f18-8803-1fde5b921f9f", 1);
  const [aliceIdentity, bobIdentity] = [new Identities(), new Identities()];
  const [aliceSessions, bobSessions] = [new Sessions(), new Sessions()];

  const time = now.getTime();
  const oneTime = signal.PrivateKey.generate();
  const signed = signal.PrivateKey.generate();
  const kyber = signal.KEMKeyPair.generate();
  const signature = bobIdentity.keys.sign(signed.getPublicKey().serialize());
  const kyberSignature = bobIdentity.keys.sign(kyber.getPublicKey().serialize());
  const bundle = signal.PreKeyBundle.new(
    1,
    1,
    1,
    oneTime.getPublicKey(),
    2,
    signed.getPublicKey(),
    signature,
    bobIdentity.keys.getPublicKey(),
    3,
    kyber.getPublicKey(),
    kyberSignature,
  );
  await signal.processPreKeyBundle(bundle, bob, alice, aliceSessions, aliceIdentity, now);
  const encryptTo = (
    to: signal.ProtocolAddress,
    from: signal.ProtocolAddress,
    sessions: Sessions,
    identity: Identities,
  ): Promise<signal.CiphertextMessage> => signal.signalEncrypt(plaintext, to, from, sessions, identity, now);
  const first = await encryptTo(bob, alice, aliceSessions, aliceIdentity);
  await signal.signalDecryptPreKey(
    signal.PreKeySignalMessage.deserialize(first.serialize()),
    alice,
    bob,
    bobSessions,
    bobIdentity,
    new PreKeys(signal.PreKeyRecord.new(1, oneTime.getPublicKey(), oneTime)),
    new SignedPreKeys(signal.SignedPreKeyRecord.new(2, time, signed.getPublicKey(), signed, signature)),
    new KyberPreKeys(signal.KyberPreKeyRecord.new(3, time, kyber, kyberSignature)),
  );
  const reply = await encryptTo(alice, bob, bobSessions, bobIdentity);
  await signal.signalDecrypt(
    signal.SignalMessage.deserialize(reply.serialize()),
    bob,
    alice,
    aliceSessions,
    aliceIdentity,
  );

  const queue: Uint8Array<ArrayBuffer>[] = [];
  const encrypt = async (): Promise<void> => {
    queue.push((await encryptTo(bob, alice, aliceSessions, aliceIdentity)).serialize());
  };
  const decrypt = (message: Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
    signal.signalDecrypt(signal.SignalMessage.deserialize(message), alice, bob, bobSessions, bobIdentity);

  const distribution = "d1d1d1d1-7000-11eb-b32a-33b8a8a487a6";
  const [aliceKeys, bobKeys] = [new SenderKeys(), new SenderKeys()];
  const announcement = await signal.SenderKeyDistributionMessage.create(alice, distribution, aliceKeys);
  await signal.processSenderKeyDistributionMessage(alice, announcement, bobKeys);
  const groupQueue: Uint8Array<ArrayBuffer>[] = [];
  const groupEncrypt = async (): Promise<void> => {
    groupQueue.push((await signal.groupEncrypt(alice, distribution, aliceKeys, plaintext)).serialize());
  };
  const groupDecrypt = (message: Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
    signal.groupDecrypt(alice, bobKeys, message);

  await encrypt();
  await groupEncrypt();
  const sizes = [queue[0]?.length ?? nothing(), groupQueue[0]?.length ?? nothing()] as const;
  const pair = (
    library: string,
    bytes: number,
    queued: Uint8Array<ArrayBuffer>[],
    seal: () => Promise<void>,
    open: (message: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>,
  ): PeerMeasure[] => {
    const of = (operation: string, run: Measure["run"]): PeerMeasure => ({
      library,
      operation,
      size: 2,
      bytes,
      measure: { key: `${library}/${operation}`, run, most: 50 },
    });
    return [
      of("encrypt", (count) => timedRepeatedly(count, seal)),
      of("decrypt", async (count) => {
        while (queued.length < count) await seal();
        return timed(queued.splice(0, count), open);
      }),
    ];
  };
  return [
    ...pair("libsignal-client 0.103.0 (session)", sizes[0], queue, encrypt, decrypt),
    ...pair("libsignal-client 0.103.0 (sender key)", sizes[1], groupQueue, groupEncrypt, groupDecrypt),
  ];
}
