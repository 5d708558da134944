/** What Alice and Bob say to each other with `--once`: ten messages each, in turn. */
import type { Side } from "./cloudEvents.ts";

export type Line = { readonly from: Side; readonly text: string };

const dialogue: readonly (readonly [alice: string, bob: string])[] = [
  ["Good morning, Bob. Can you read this?", "Loud and clear. Who else can?"],
  ["Nobody. The cloud holds ciphertext.", "So if somebody copied its tables?"],
  ["They would have sizes, times and our two names.", "And if somebody added a device to my account?"],
  ["Your account key signs devices. I would notice.", "Good. My train enters the tunnel soon."],
  ["Then I will just keep writing.", "And I will read it on the other side."],
  ["This one may find you gone.", "This one may go out as my process dies."],
  ["This one you will read when you are back.", "I am back, and I have missed nothing."],
  ["Not even the one in the middle?", "Not even that. Once each, and in order."],
  ["The log has one order, and you have a cursor.", "And what I had in my outbox went out."],
  ["Then we are done. Good night, Bob.", "Good night, Alice."],
];

export const rounds = dialogue.length;

export function lineOf(from: Side, round: number): string {
  const line = dialogue[round]?.[from === "alice" ? 0 : 1];
  if (line === undefined) throw new RangeError(`there is no round ${round}`);
  return line;
}

export const allLines: readonly Line[] = dialogue.flatMap(([alice, bob]) => [
  { from: "alice" as const, text: alice },
  { from: "bob" as const, text: bob },
]);
