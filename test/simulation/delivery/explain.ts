/** The shortest account of what went wrong: the finding, and what happened around it in its conversation. */
import type { Delivery, DeliveryOptions } from "./simulate.ts";
import type { Finding } from "./oracle.ts";
import { simulateDelivery } from "./simulate.ts";
import type { TraceLine } from "./trace.ts";

const before = 6;
const after = 30;

/** Runs it again, which is the same run, and listens. */
export async function explain(options: DeliveryOptions): Promise<readonly string[]> {
  const { findings, lines, ...run } = await simulateDelivery({ ...options, explains: true });
  const [finding] = findings;
  if (finding === undefined)
    return [`seed ${options.seed} found nothing when it ran again: something is not from the seed`];
  return [...heading(options, run, findings), ...story(finding, lines)];
}

function heading(
  { seed, clients, messages, retention, absences = 1 }: DeliveryOptions,
  { trace }: Pick<Delivery, "trace">,
  findings: readonly Finding[],
): readonly string[] {
  const [first] = findings as readonly [Finding];
  const { kind, device, conversation, message, why } = first;
  const kept = retention === undefined ? "" : ` --retention ${retention / 86_400_000}`;
  const away = absences === 1 ? "" : ` --absences ${absences}`;
  const what = message === undefined ? "" : `, message ${message}`;
  return [
    `seed ${seed}, trace ${trace}: ${findings.length} findings. First: ${kind} at ${device}${what}: ${why}`,
    `again: npm run simulate -- delivery --seed ${seed} --clients ${clients} --messages ${messages}${kept}${away}`,
    `conversation ${conversation}:`,
  ];
}

function story({ device, conversation, message }: Finding, lines: readonly TraceLine[]): readonly string[] {
  const own = new Set([device, "everybody"]);
  const isRelevant = ({ who, what }: TraceLine): boolean =>
    (conversation !== "" && what.includes(conversation)) || (own.has(who) && !/^[<>{]|^says |^rotates /.test(what));
  const relevant = lines.filter(isRelevant);
  const at =
    message === undefined ? relevant.length : relevant.findIndex(({ what }) => what.startsWith(`says ${message} `));
  const from = Math.max(0, at - before);
  const start = lines[0]?.at ?? 0;
  return relevant
    .slice(from, at + after)
    .map(({ at: when, who, what }) => `  ${((when - start) / 1_000).toFixed(3)}s ${who} ${what.slice(0, 240)}`);
}
