/** A value that changes, and listeners who must not be able to break who changes it. */
import type { Observable } from "./api.ts";

export interface Subject<T> extends Observable<T> {
  set(value: T): void;
}

export function subject<T>(initial: T): Subject<T> {
  let current = initial;
  const listeners = listenerSet<T>();
  return {
    get current() {
      return current;
    },
    subscribe(listener) {
      const end = listeners.add(listener);
      notify(listener, current);
      return end;
    },
    set(value) {
      current = value;
      listeners.emit(value);
    },
  };
}

export interface ListenerSet<T> {
  /** The answer removes it. */
  add(listener: (value: T) => void): () => void;
  emit(value: T): void;
}

export function listenerSet<T>(): ListenerSet<T> {
  // An object each, so that one function added twice is called twice and removed once.
  const entries = new Set<{ readonly listener: (value: T) => void }>();
  return {
    add(listener) {
      const entry = { listener };
      entries.add(entry);
      return () => void entries.delete(entry);
    },
    emit(value) {
      for (const { listener } of [...entries]) notify(listener, value);
    },
  };
}

/** The same, and what happens before anybody listens is told to the first who does: the newest `limit` of it. */
export function patientListenerSet<T>(limit: number): ListenerSet<T> {
  const listeners = listenerSet<T>();
  let early: T[] | undefined = [];
  return {
    add(listener) {
      const end = listeners.add(listener);
      const missed = early ?? [];
      early = undefined;
      // Not before `add` has answered.
      for (const value of missed) queueMicrotask(() => notify(listener, value));
      return end;
    },
    emit(value) {
      if (early === undefined) return listeners.emit(value);
      early = [...early, value].slice(-limit);
    },
  };
}

/** An application's listener that throws is the application's failure: it surfaces there, and the client goes on. */
function notify<T>(listener: (value: T) => void, value: T): void {
  try {
    listener(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
