/** A share of `npm run simulate -- mls`: every suite, and a run that replays. Findings name the seed. */
import { cipherSuites } from "@tacit/mls";
import { simulate } from "./simulate.ts";

const shares = [
  { suite: cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, seed: 11, steps: 120, maximum: 12 },
  { suite: cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, seed: 12, steps: 60, maximum: 3 },
  { suite: cipherSuites.MLS_128_DHKEMP256_AES128GCM_SHA256_P256, seed: 13, steps: 60, maximum: 6 },
  { suite: cipherSuites.MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519, seed: 14, steps: 80, maximum: 8 },
  { suite: cipherSuites.MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519, seed: 15, steps: 40, maximum: 5 },
  { suite: cipherSuites.MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519, seed: 16, steps: 40, maximum: 5 },
];

test.each(shares)(
  "suite $suite, seed $seed: members agree after each of $steps steps, and nothing leaks",
  async (options) => {
    const result = await simulate(options);
    expect(result.findings).toEqual([]);
    expect(result).toMatchObject({ steps: options.steps, disagreements: 0, leaks: 0 });
    expect(result.commits).toBeGreaterThan(options.steps / 8);
    expect(result.removals).toBeGreaterThan(0);
    expect(result.refusedAttacks).toBeGreaterThan(0);
  },
  60_000,
);

test("the same seed, the same run, also where signatures are ECDSA", async () => {
  const options = { suite: 0x0002, seed: 5, steps: 25, maximum: 5 };
  const first = await simulate(options);
  expect(await simulate(options)).toEqual(first);
  expect((await simulate({ ...options, seed: 6 })).history).not.toBe(first.history);
}, 60_000);
