/** The demo page in a real browser, on the synthesised cloud. */
import { mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import type { LocalCloud } from "@tacit/local";
import { audience, startTacitCloud } from "../../demo/cloud.ts";
import { startDemoServer, type DemoServer } from "../../demo/server.ts";
import { launchChromium } from "../../bench/chromium.ts";
import { browserTest } from "./chromium.ts";

const secret = "The heron stands in the shallow water";
const whileAway = ["first of three", "second of three", "third of three"];

let cloud: LocalCloud | undefined;
let server: DemoServer | undefined;
let browser: Browser | undefined;

async function open(): Promise<Page> {
  cloud = await startTacitCloud({ report: () => {} });
  server = await startDemoServer({ cloud, audience, port: 0 });
  browser = await launchChromium();
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(20_000);
  await page.goto(server.address);
  return page;
}

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await cloud?.close();
});

function person(page: Page, name: string) {
  const pane = page.getByRole("region", { name, exact: true });
  return {
    pane,
    messages: pane.getByRole("log").locator(".message p"),
    async says(text: string): Promise<void> {
      await pane.getByLabel(new RegExp(`^${name} writes to`)).fill(text);
      await page.keyboard.press("Enter");
    },
    online: pane.getByRole("switch"),
  };
}

async function expectText(locator: Locator, texts: readonly string[]): Promise<void> {
  await locator.nth(texts.length - 1).waitFor();
  expect(await locator.allTextContents()).toEqual(texts);
}

/** Everything that the middle says, with each of its parts unfolded. */
async function everythingInTheCloud(page: Page): Promise<string> {
  const middle = page.getByRole("region", { name: "What the cloud sees" });
  const texts: string[] = [];
  for (const tab of await middle.getByRole("tab").all()) {
    await tab.click();
    for (const item of await middle.locator(".panel:not([hidden]) .item").all()) await item.click();
    texts.push(...(await middle.locator(".panel:not([hidden])").allTextContents()));
  }
  for (const frame of await middle.locator(".arrow").all()) await frame.click();
  texts.push((await middle.textContent()) ?? "");
  return texts.join("\n");
}

browserTest(
  "Alice and Bob talk, the cloud sees ciphertext alone, and Bob catches up with what he missed",
  async () => {
    const page = await open();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    const alice = person(page, "Alice");
    const bob = person(page, "Bob");
    await bob.pane.getByText("The conversation begins").waitFor();

    await alice.says(secret);
    await expectText(bob.messages, [secret]);
    await alice.pane.getByLabel("decrypted by the other device").waitFor();
    await alice.pane.getByLabel(/^Alice writes to/).pressSequentially("Hm");
    await bob.pane.getByText("Alice is typing").waitFor();
    await bob.says("So it does");
    await expectText(alice.messages, [secret, "So it does"]);

    const seen = await everythingInTheCloud(page);
    expect(seen).toMatch(/commit[\s\S]*Who knows/);
    expect(seen).toContain("append");
    for (const text of [secret, "So it does"]) {
      expect(seen).not.toContain(text);
      expect(seen).not.toContain(Buffer.from(text).toString("hex"));
      for (const shift of [0, 1, 2]) {
        // Whatever stands before it, the middle of its base64 is one of three.
        const encoded = Buffer.from(`${"-".repeat(shift)}${text}`).toString("base64");
        expect(seen).not.toContain(encoded.slice(4, -4));
      }
    }

    await page.getByRole("tab", { name: /^Log/ }).click();
    await page.locator("#table-log .item[aria-expanded=true]").first().click();
    await page.locator("#table-log .item").first().click();
    for (const { pane } of [alice, bob])
      expect(await pane.locator(".marked p").allTextContents()).toEqual(["So it does"]);

    await bob.online.click();
    await bob.pane.getByText("Offline").waitFor();
    for (const text of whileAway) await alice.says(text);
    await alice.pane.getByLabel("stored by the cloud").nth(2).waitFor();
    expect(await bob.messages.count()).toBe(2);
    await bob.online.click();
    await expectText(bob.messages, [secret, "So it does", ...whileAway]);
    await bob.pane.getByText("Online", { exact: true }).waitFor();

    await alice.online.click();
    await alice.pane.getByText("Offline").waitFor();
    await alice.says("written without a connection");
    await alice.pane.getByLabel("waiting on this device").waitFor();
    await bob.says("said meanwhile");
    await bob.pane.getByLabel("stored by the cloud").waitFor();
    await alice.online.click();
    const whole = [secret, "So it does", ...whileAway, "said meanwhile", "written without a connection"];
    await expectText(bob.messages, whole);
    await alice.pane.getByLabel("waiting on this device").waitFor({ state: "detached" });
    await expectText(alice.messages, whole);

    const directory = await mkdtemp(join(tmpdir(), "tacit-demo-"));
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      const path = join(directory, `${colorScheme}.png`);
      await page.screenshot({ path });
      expect((await stat(path)).size).toBeGreaterThan(20_000);
    }
    expect(problems).toEqual([]);

    // The development issuer gives tokens to whoever asks; the page may not ask it.
    const asked = await page.evaluate(
      (issuer) =>
        fetch(`${issuer}/token`, { method: "POST", body: "sub=mallory&audience=x", mode: "no-cors" }).catch(String),
      cloud?.issuer,
    );
    expect(asked).toContain("Failed to fetch");
  },
  120_000,
);
