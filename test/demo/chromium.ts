/** Tests that need a browser. */
import { chromiumPath } from "../../bench/chromium.ts";

/** `test`, or `test.skip` with the reason in its name where there is no browser. */
export function browserTest(name: string, run: () => Promise<void>, timeout: number): void {
  if (chromiumPath === undefined) test.skip(`${name} (skipped: Debian's package chromium is not installed)`, run);
  else test(name, run, timeout);
}
