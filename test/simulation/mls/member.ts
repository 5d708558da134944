/** A device of the simulation: a state in memory, what it stored of it, and what it has not seen yet. */
import { decodeState, encodeEpoch, encodeRatchets, type GroupState } from "@tacit/mls";

/** An application message, for whoever hears it late. */
export interface Spoken {
  readonly bytes: Uint8Array;
  readonly plaintext: string;
  readonly sender: string;
  readonly epoch: bigint;
  readonly generation: number;
}

export type Delivery =
  | { readonly kind: "application"; readonly spoken: Spoken }
  | { readonly kind: "proposal" | "commit"; readonly bytes: Uint8Array };

export interface Member {
  readonly name: string;
  readonly joined: bigint;
  state: GroupState;
  readonly disk: Disk;
  /** Defined while the device is out of reach. */
  backlog: Delivery[] | undefined;
  /** Generations that were read, by epoch and sender. */
  readonly heard: Map<string, Set<number>>;
}

export function newMember(name: string, state: GroupState): Member {
  const disk = new Disk();
  disk.save(state);
  return { name, joined: state.epoch.groupContext.epoch, state, disk, backlog: undefined, heard: new Map() };
}

/** State in its two parts; of the ratchets only what changed is written. */
export class Disk {
  #epoch: Uint8Array = new Uint8Array(0);
  readonly #chunks = new Map<string, Uint8Array>();
  #saved: GroupState | undefined;

  save(state: GroupState): void {
    this.#epoch = encodeEpoch(state);
    for (const { key, bytes } of encodeRatchets(state, this.#saved)) {
      if (bytes === undefined) this.#chunks.delete(key);
      else this.#chunks.set(key, bytes);
    }
    this.#saved = state;
  }

  /** The state as it was saved; the next save writes against it. */
  load(state: GroupState): GroupState {
    const loaded = decodeState(state.suite, this.#epoch, this.#chunks);
    this.#saved = loaded;
    return loaded;
  }

  /** Is there exactly what a save from scratch would write? */
  holds(state: GroupState): boolean {
    const all = new Map(encodeRatchets(state).map(({ key, bytes }) => [key, bytes]));
    return (
      Buffer.from(encodeEpoch(state)).equals(this.#epoch) &&
      all.size === this.#chunks.size &&
      [...this.#chunks].every(([key, bytes]) => Buffer.from(all.get(key) ?? []).equals(bytes))
    );
  }
}
