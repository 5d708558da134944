/** What two people compare. */
import {
  isSameNumber,
  safetyNumber as numberOf,
  type Person,
  type SafetyNumber,
} from "../../../client/src/session/identity/safetyNumber.ts";
import { provider } from "../support/devices.ts";

const safetyNumber = (a: Person, b: Person): SafetyNumber => numberOf(provider, a, b);

const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const alice: Person = { account: "alice", accountKey: key(1) };
const bob: Person = { account: "bob", accountKey: key(2) };

// Computed by a second implementation, in another language.
const vectors: readonly (readonly [Person, Person, text: string, qr: string])[] = [
  [
    alice,
    bob,
    "98559 73514 67441 91020 12600 28370 16213 21012 70596 33354 17906 51304",
    "tacit-safety:1:hjldKI5j4zryldfcFK_3y3GO-L9mForNUjB_5E6FsdIYlpWKLiwDl14Rl0w_b9EIiEB8dvQplmZEys3O0q0TqA",
  ],
  [
    { ...alice, accountKey: key(2) },
    { ...bob, accountKey: key(1) },
    "94058 36588 53496 49957 62337 31487 28513 02935 33378 19745 21035 32480",
    "tacit-safety:1:QjqoNcKomxGRW94ubjZlb8RD2Iyxw7u0l1ALAab_JZ_GVFoYhn0ndwRZK7eEhLxtf0DOpIgkpaz2_-xRTeq_wA",
  ],
  [
    { account: "alice", accountKey: Uint8Array.from({ length: 32 }, (_, i) => i) },
    { account: "zoë 🦊", accountKey: key(255) },
    "92206 94492 51576 39808 12528 11829 53840 53342 40174 78464 24599 27164",
    "tacit-safety:1:uzM26gP7wNbQj6b_PUuVLGarVug0i9gB7vrQOoz2ZDWC2-hU1N-J_cGiVmz-DzED3Vu1FWllJe-SVXXztYSCfA",
  ],
];

describe("a safety number", () => {
  it.each(vectors)("is what was written down, the same from both sides (%#)", (a, b, text, qr) => {
    expect(safetyNumber(a, b)).toEqual({ text, qr });
    expect(safetyNumber(b, a)).toEqual({ text, qr });
    expect(text).toMatch(/^(\d{5} ){11}\d{5}$/);
  });

  it("is another one with each key, each account, and keys exchanged", () => {
    const people: readonly (readonly [Person, Person])[] = [
      [alice, bob],
      [alice, { ...bob, accountKey: key(3) }],
      [alice, { ...bob, account: "bo" }],
      [alice, { ...bob, account: "Bob" }],
      [
        { ...alice, accountKey: bob.accountKey },
        { ...bob, accountKey: alice.accountKey },
      ],
      // Composed and decomposed: other bytes, another account.
      [alice, { ...bob, account: "b\u00f6b" }],
      [alice, { ...bob, account: "bo\u0308b" }],
    ];
    const all = people.map(([a, b]) => safetyNumber(a, b));
    expect(new Set(all.map(({ text }) => text)).size).toBe(people.length);
    expect(new Set(all.map(({ qr }) => qr)).size).toBe(people.length);
    // The half of a person who is in both pairs is the same.
    expect(all[1]!.text.slice(0, 35)).toBe(all[0]!.text.slice(0, 35));
  });

  it("is recognised as scanned or typed, and told from others and from no number at all", () => {
    const number = safetyNumber(alice, bob);
    const other = safetyNumber(alice, { ...bob, accountKey: key(3) });
    for (const typed of [
      number.qr,
      ` ${number.qr}\n`,
      number.text,
      number.text.replaceAll(" ", ""),
      number.text.replaceAll(" ", "\u00a0"),
      number.text.replaceAll(" ", "-"),
      number.text.replaceAll(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit))),
    ]) {
      expect(isSameNumber(number, typed)).toBe(true);
      expect(isSameNumber(other, typed)).toBe(false);
    }
    expect(isSameNumber(number, `${number.qr.slice(0, -4)}AAAA`)).toBe(false);
    expect(isSameNumber(number, number.qr.slice(0, -4))).toBe(false);
    expect(
      isSameNumber(
        number,
        number.text.replace(/^./, (digit) => String((Number(digit) + 1) % 10)),
      ),
    ).toBe(false);
    for (const none of [
      "",
      "hello",
      number.text.slice(1),
      `${number.text} 1`,
      "tacit-link:1:ABCD",
      number.text.replace("3", "x"),
    ]) {
      expect(isSameNumber(number, none)).toBeUndefined();
    }
  });
});
