/** The cloud's time: real time plus an offset that tests advance. The offset is shared memory, so functions see it too. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly advance: (milliseconds: number) => void;
  /** One Float64: what to add to real time. */
  readonly offset: SharedArrayBuffer;
}

export function createClock(startAt: number | undefined): Clock {
  const offset = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);
  const value = new Float64Array(offset);
  value[0] = startAt === undefined ? 0 : Math.round(startAt - Date.now());
  return {
    now: () => Date.now() + (value[0] ?? 0),
    advance: (milliseconds) => void (value[0] = (value[0] ?? 0) + milliseconds),
    offset,
  };
}
