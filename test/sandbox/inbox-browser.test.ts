import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inboxHandler } from "../../src/sandbox/inbox.ts";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { chromiumPath, startChromium, withoutChromium } from "../support/chromium.ts";
import { create, startTwilio } from "../support/twilio-sandbox.ts";

const text =
  "Banco Ejemplo: 482913 es su clave para pagar\n49,90 EUR a ACME & <Hijos> (…4321).\nCaduca en 5 min.";

describe.skipIf(withoutChromium)(`the inbox in ${chromiumPath}, where installed`, () => {
  let folder: string;
  let context: BrowserContext;
  let double: TwilioDouble;
  let server: http.Server;
  let inboxUrl: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "inbox-"));
    double = await startTwilio();
    const inbox = inboxHandler(double);
    server = http.createServer((request, response) => {
      if (!inbox(request, response)) response.writeHead(404).end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    inboxUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/inbox`;
    context = await startChromium(folder, {
      permissions: ["clipboard-read", "clipboard-write"],
      viewport: { width: 1200, height: 1000 },
    });
  });

  afterAll(async () => {
    await context?.close();
    await double?.close();
    server?.close();
    if (process.env["KEEP_SCREENSHOTS"] === undefined) rmSync(folder, { recursive: true, force: true });
  });

  it("shows a message as it arrives and its delivery as it happens, without a reload", async () => {
    const page = await context.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    await page.goto(inboxUrl);
    await page.locator("#connection[data-state=live]").waitFor();
    await page.evaluate("globalThis.sameDocument = true");
    expect(await page.locator(".bubble").count()).toBe(0);

    double.behaviour.deliverMs = 300;
    const { sid } = (await create(double, "+34600000001", { Body: text })).json();
    const bubble = page.locator(`.bubble[data-sid="${sid}"]`);
    await bubble.waitFor();
    expect(await bubble.locator(".text").textContent()).toBe(text);
    expect(await bubble.locator(".code").textContent()).toBe("482913");
    await page.locator(`.bubble[data-sid="${sid}"][data-status=delivered]`).waitFor();
    expect(await bubble.locator(".status").textContent()).toBe("Delivered");
    expect(await page.evaluate("globalThis.sameDocument")).toBe(true);

    await bubble.getByRole("button", { name: "Copy code 482913" }).click();
    await bubble.getByText("Copied").waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe("482913");

    await create(double, "+34600009003", {
      Body: "Banco Ejemplo: 118204 es su clave para pagar 12,00 EUR a Café Luz. Caduca en 5 min.",
    });
    await create(double, "+34600009610", { Body: "never sent 000000" });
    await page.locator(".bubble[data-status=undelivered]").waitFor();
    await page.getByText("400 · 21610").waitFor();
    await page.screenshot({ path: join(folder, "inbox.png"), fullPage: true });
    expect(faults).toEqual([]);
    await page.close();
  });

  it("shows one number where it is asked to, and fits a narrow screen", async () => {
    await create(double, "+34600000002", { Body: "for two 222222" });
    await create(double, "+34600000003", { Body: "for three 333333" });
    const page = await context.newPage();
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(inboxUrl);
    await page.getByLabel("Number", { exact: true }).fill("+34600000002");
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/to=%2B34600000002$/);
    await page.getByText("for two").waitFor();
    await create(double, "+34600000003", { Body: "more 444444" });
    await create(double, "+34600000002", { Body: "last 555555" });
    await page.getByText("last 555555").waitFor();

    expect(await page.locator(".bubble").count()).toBe(2);
    const width = await page.evaluate("document.documentElement.scrollWidth");
    expect(width).toBeLessThanOrEqual(360);
    await page.screenshot({ path: join(folder, "narrow.png") });
    await page.close();
  });
});
