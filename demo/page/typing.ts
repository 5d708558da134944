/** When to say that somebody types, and how long to believe it. */

/** Milliseconds between two signals while typing goes on. */
const repeatAfter = 3_000;
/** Milliseconds without a key after which typing has stopped. */
const stopAfter = 2_500;
/** A signal may be lost: what was said last is believed for this many milliseconds. */
const believedFor = 5_000;

export function createTypingSender(say: (active: boolean) => void) {
  let saidAt: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function stopped(): void {
    clearTimeout(timer);
    if (saidAt === undefined) return;
    saidAt = undefined;
    say(false);
  }

  return {
    typed(): void {
      clearTimeout(timer);
      timer = setTimeout(stopped, stopAfter);
      if (saidAt !== undefined && performance.now() - saidAt < repeatAfter) return;
      saidAt = performance.now();
      say(true);
    },
    stopped,
  };
}

export function createTypingView(show: (typing: boolean) => void) {
  let timer: ReturnType<typeof setTimeout> | undefined;

  function told(active: boolean): void {
    clearTimeout(timer);
    show(active);
    if (active) timer = setTimeout(() => show(false), believedFor);
  }

  return { told, arrived: () => told(false) };
}
