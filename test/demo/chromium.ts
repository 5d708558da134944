/** Debian's Chromium, where it is installed. */
import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

const executable = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) => existsSync(path));

/** `test`, or `test.skip` with the reason in its name where there is no browser. */
export function browserTest(name: string, run: () => Promise<void>, timeout: number): void {
  if (executable === undefined) test.skip(`${name} (skipped: Debian's package chromium is not installed)`, run);
  else test(name, run, timeout);
}

export function launchChromium(): Promise<Browser> {
  if (executable === undefined) throw new Error("there is no Chromium here");
  return chromium.launch({
    executablePath: executable,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
