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
