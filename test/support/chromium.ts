import { existsSync } from "node:fs";
import { join } from "node:path";
import { type BrowserContext, chromium } from "playwright-core";

export const chromiumPath = "/usr/bin/chromium";

/** In CI the browser belongs to the machine: without it the tests run, and fail by not finding it. */
export const withoutChromium = !existsSync(chromiumPath) && process.env["CI"] !== "true";

type Options = NonNullable<Parameters<typeof chromium.launchPersistentContext>[1]>;

/** @param folder where the profile may stand */
export async function startChromium(folder: string, options: Options): Promise<BrowserContext> {
  return await chromium.launchPersistentContext(join(folder, "profile"), {
    executablePath: chromiumPath,
    headless: true,
    args: [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ],
    ...options,
  });
}
