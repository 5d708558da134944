/** The official vectors `crypto-basics` for each provider. */
import { cipherSuites, getCipherSuite } from "../../../mls/src/suites.ts";
import { describeVectors, fromHex, hex, providers, readVectors, seededRandom } from "./support.ts";

interface Vector {
  readonly cipher_suite: number;
  readonly ref_hash: { readonly label: string; readonly value: string; readonly out: string };
  readonly expand_with_label: {
    readonly secret: string;
    readonly label: string;
    readonly context: string;
    readonly length: number;
    readonly out: string;
  };
  readonly derive_secret: { readonly secret: string; readonly label: string; readonly out: string };
  readonly derive_tree_secret: {
    readonly secret: string;
    readonly label: string;
    readonly generation: number;
    readonly length: number;
    readonly out: string;
  };
  readonly sign_with_label: {
    readonly priv: string;
    readonly pub: string;
    readonly content: string;
    readonly label: string;
    readonly signature: string;
  };
  readonly encrypt_with_label: {
    readonly priv: string;
    readonly pub: string;
    readonly label: string;
    readonly context: string;
    readonly plaintext: string;
    readonly kem_output: string;
    readonly ciphertext: string;
  };
}

describeVectors("crypto-basics", () => {
  describe.each(providers)("on %s", (name, make) => {
    const known: readonly number[] = Object.values(cipherSuites);
    const vectors = readVectors<Vector[]>("mls/crypto-basics.json").filter((vector) =>
      known.includes(vector.cipher_suite),
    );

    test.each(vectors.map((vector) => [vector.cipher_suite, vector] as const))("suite %i", async (id, vector) => {
      const suite = getCipherSuite(id, make({ random: seededRandom("crypto-basics") }));

      const ref = vector.ref_hash;
      expect(hex(suite.refHash(ref.label, fromHex(ref.value)))).toBe(ref.out);

      const expand = vector.expand_with_label;
      expect(
        hex(suite.expandWithLabel(fromHex(expand.secret), expand.label, fromHex(expand.context), expand.length)),
      ).toBe(expand.out);

      const derive = vector.derive_secret;
      expect(hex(suite.deriveSecret(fromHex(derive.secret), derive.label))).toBe(derive.out);

      const tree = vector.derive_tree_secret;
      expect(hex(suite.deriveTreeSecret(fromHex(tree.secret), tree.label, tree.generation, tree.length))).toBe(
        tree.out,
      );

      const signed = vector.sign_with_label;
      const [publicKey, content] = [fromHex(signed.pub), fromHex(signed.content)];
      expect(await suite.verifyWithLabel(publicKey, signed.label, content, fromHex(signed.signature))).toBe(true);
      const own = await suite.signWithLabel(fromHex(signed.priv), signed.label, content);
      expect(await suite.verifyWithLabel(publicKey, signed.label, content, own)).toBe(true);
      expect(await suite.verifyWithLabel(publicKey, `${signed.label}!`, content, own)).toBe(false);

      const box = vector.encrypt_with_label;
      const [privateKey, recipient, context] = [fromHex(box.priv), fromHex(box.pub), fromHex(box.context)];
      const ciphertext = { kemOutput: fromHex(box.kem_output), ciphertext: fromHex(box.ciphertext) };
      const open = async (label: string, sealed: typeof ciphertext) =>
        hex(await suite.decryptWithLabel(privateKey, recipient, label, context, sealed));
      expect(await open(box.label, ciphertext)).toBe(box.plaintext);
      const again = await suite.encryptWithLabel(recipient, box.label, context, fromHex(box.plaintext));
      expect(await open(box.label, again)).toBe(box.plaintext);
      await expect(open(`${box.label}!`, again)).rejects.toMatchObject({ code: "hpke_failed" });
    });

    test("covers suites 1, 2 and 3", () => {
      expect(vectors.map((vector) => vector.cipher_suite)).toEqual([1, 2, 3]);
      console.log(`crypto-basics (${name}): ${vectors.length} suites, 7 operations each`);
    });
  });
});
