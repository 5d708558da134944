/**
 * Tries every order in which the steps of a few processes can happen. A process is an async function whose effects all
 * go through ports; each call of a port is one step. States that were reached before are not explored again: what a
 * process knows is what its calls have returned, so equal tables, clock and histories go on alike.
 */

/** One step that could come next. */
export type Choice = { readonly name: string; readonly take: () => void };

/** One execution, from the start. */
export interface Run {
  /** What can happen next; empty at the end. In the same order for equal states. */
  choices(): readonly Choice[];
  /** Equal for states that go on alike. */
  state(): string;
  /** Called once nothing can happen any more. */
  finish(): void;
}

export class Violation extends Error {
  override readonly name = "Violation";
}

export type Exploration = {
  readonly states: number;
  readonly steps: number;
  /** Orders of all steps, from start to end. */
  readonly interleavings: bigint;
};

/** @throws Violation with the order of steps that leads to it */
export async function explore(start: () => Run): Promise<Exploration> {
  const edges = new Map<string, string[]>();
  const pending: { readonly path: readonly number[]; readonly parent: string | undefined }[] = [
    { path: [], parent: undefined },
  ];
  let steps = 0;
  let root: string | undefined;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    let { path, parent } = next;
    const run = start();
    const trace: string[] = [];
    const advance = async (index: number): Promise<void> => {
      const choice = run.choices()[index]!;
      trace.push(choice.name);
      choice.take();
      steps++;
      await settle();
    };
    try {
      await settle();
      for (const index of path) await advance(index);
      for (;;) {
        const state = run.state();
        root ??= state;
        if (parent !== undefined) edges.get(parent)!.push(state);
        if (edges.has(state)) break;
        edges.set(state, []);
        const { length } = run.choices();
        if (length === 0) {
          run.finish();
          break;
        }
        for (let index = length - 1; index > 0; index--) pending.push({ path: [...path, index], parent: state });
        await advance(0);
        path = [...path, 0];
        parent = state;
      }
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      throw new Violation(`${error.message}\n  after ${trace.join("\n        ")}`);
    }
  }
  return { states: edges.size, steps, interleavings: countPaths(edges, root!) };
}

/** Lets everything happen that waits for nothing but itself. */
function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function countPaths(edges: ReadonlyMap<string, readonly string[]>, root: string): bigint {
  const counts = new Map<string, bigint>();
  const stack = [root];
  while (stack.length > 0) {
    const state = stack.at(-1)!;
    const next = edges.get(state)!;
    const open = next.filter((one) => !counts.has(one));
    if (open.length > 0) stack.push(...open);
    else {
      stack.pop();
      counts.set(state, next.length === 0 ? 1n : next.reduce((sum, one) => sum + counts.get(one)!, 0n));
    }
  }
  return counts.get(root)!;
}
