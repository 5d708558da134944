import { createRemoteJWKSet, jwtVerify } from "jose";
import type { LocalCloud } from "@tacit/local";
import { startSample } from "./sampleCloud.ts";

describe("development issuer", () => {
  let cloud: LocalCloud;
  beforeAll(async () => {
    cloud = await startSample();
  });
  afterAll(() => cloud.close());

  const discover = async () =>
    (await (await fetch(`${cloud.issuer}/.well-known/openid-configuration`)).json()) as Readonly<
      Record<string, string>
    >;
  const verify = async (token: string) =>
    jwtVerify(token, createRemoteJWKSet(new URL(String((await discover())["jwks_uri"]))), {
      issuer: cloud.issuer,
      audience: "sample",
    });

  test("its tokens verify with the keys that its discovery document names", async () => {
    expect((await discover())["issuer"]).toBe(cloud.issuer);
    const { payload } = await verify(
      await cloud.issueToken({ sub: "alice", audience: "sample", claims: { role: "x" } }),
    );
    expect(payload).toMatchObject({ sub: "alice", role: "x", iss: cloud.issuer });
  });

  test("tokens can be had over HTTP, from pages too", async () => {
    const { token_endpoint: endpoint } = await discover();
    const body = new URLSearchParams({ sub: "bob", audience: "sample" });
    const response = await fetch(String(endpoint), { method: "POST", body });
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    const { id_token: token } = (await response.json()) as { id_token: string };
    expect((await verify(token)).payload.sub).toBe("bob");
    expect((await fetch(String(endpoint), { method: "POST", body: "" })).status).toBe(400);
  });

  test("an expired token is expired", async () => {
    const token = await cloud.issueToken({ sub: "alice", audience: "sample", expiresIn: -1 });
    await expect(verify(token)).rejects.toMatchObject({ code: "ERR_JWT_EXPIRED" });
  });

  test("a token of another issuer's key does not verify", async () => {
    const other = await startSample();
    const token = await other.issueToken({ sub: "alice", audience: "sample" });
    await other.close();
    await expect(verify(token)).rejects.toMatchObject({ code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" });
  });
});
