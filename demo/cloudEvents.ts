/** What the demo server tells the page of the cloud: everything that the cloud stores or passes on, and nothing else. */

export type Side = "alice" | "bob";

/** A value of a stored item. Bytes stay apart from text, so that the page can show them as bytes. */
export type StoredValue =
  | null
  | boolean
  | number
  | string
  | { readonly bytes: string }
  | readonly StoredValue[]
  | { readonly fields: StoredFields };
export type StoredFields = { readonly [name: string]: StoredValue };

/** One frame on one socket. */
export type FrameEvent = {
  readonly type: "frame";
  readonly id: number;
  readonly at: number;
  readonly side: Side;
  /** `up` is from the device to the cloud. */
  readonly direction: "up" | "down";
  /** An operation, the operation that is answered, or the name of a push. */
  readonly name: string;
  readonly kind: "request" | "answer" | "refusal" | "push";
  readonly size: number;
  readonly text: string;
};

/** A write to a table. */
export type StoredEvent = {
  readonly type: "stored";
  readonly at: number;
  readonly table: string;
  /** Names the item within its table. */
  readonly key: string;
  /** Absent where the item was deleted. */
  readonly item?: StoredFields;
  readonly size: number;
};

export type SocketEvent = {
  readonly type: "socket";
  readonly at: number;
  readonly side: Side;
  readonly state: "opened" | "closed";
};

export type CostLine = { readonly name: string; readonly count: number; readonly dollars: number };
export type CostEvent = { readonly type: "cost"; readonly dollars: number; readonly lines: readonly CostLine[] };

export type CloudEvent = FrameEvent | StoredEvent | SocketEvent | CostEvent;

/** What the page gets when it opens a session: two accounts of its own, and where the relay is. */
export type DemoSession = {
  readonly id: string;
  readonly url: string;
  readonly accounts: Readonly<Record<Side, string>>;
};
