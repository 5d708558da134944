/** The recovery code, as it is written down and typed. */
import { newRecoveryCode, readRecoveryCode } from "../../../client/src/session/identity/recoveryCode.ts";
import { provider } from "../support/devices.ts";

describe("a recovery code", () => {
  it("has 160 bits, and gives its key again however it is typed", () => {
    const { text, key } = newRecoveryCode(provider.random);
    expect(text).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){8}[0-9A-HJKMNP-TV-Z]{4}$/);
    expect(readRecoveryCode(text)).toEqual(key);
    expect(readRecoveryCode(` ${text.toLowerCase().replaceAll("-", " ")} `)).toEqual(key);
    expect(newRecoveryCode(provider.random).text).not.toBe(text);
  });

  // HKDF-SHA256 computed by a second implementation, in another language.
  it("gives the key that was written down", () => {
    const code = newRecoveryCode((length) => Uint8Array.from({ length }, (_, i) => i * 13));
    expect(code.text).toBe("006H-M9SM-8575-PT3N-GA7S-SADP-RF8D-VTQQ-C6DG");
    expect(Buffer.from(code.key).toString("hex")).toBe(
      "cdee65c1369afc015d1876409a60a64c89550911e4b733183570db209140bc1d",
    );
  });

  it("with a slip of the pen is none", () => {
    const { text } = newRecoveryCode(provider.random);
    const other = text.startsWith("A") ? "B" : "A";
    for (const bad of ["", text.slice(1), `${text}0`, other + text.slice(1), "hunter2"]) {
      expect(readRecoveryCode(bad)).toBeUndefined();
    }
  });
});
