import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundleVerifier } from "../../.deploy/bundle.ts";
import { bundleEvidencePage } from "../../.deploy/evidence-page.ts";
import { packFile } from "../../src/domain/evidence-pack.ts";
import { evidenceText } from "../../src/domain/evidence-text.ts";
import { checkPack } from "../../src/domain/pack-verdict.ts";
import { changedPack, flipped, leaves, resignedChanges, setAt, valueAt } from "../support/changed-packs.ts";
import { chromiumPath, startChromium, withoutChromium } from "../support/chromium.ts";
import { linesOf } from "../support/dropped-packs.ts";
import { aPack } from "../support/evidence-pack.ts";

const pack = await aPack();
const file = packFile(pack);

describe.skipIf(withoutChromium)(`the page that checks a pack, in ${chromiumPath}, where installed`, () => {
  let folder: string;
  let context: BrowserContext;
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "evidence-page-"));
    await Promise.all([bundleEvidencePage(path("verify.html")), bundleVerifier(path("verify.mjs"))]);
    writeFileSync(path("pack.json"), file);
    writeFileSync(path("pack.txt"), evidenceText(pack));
    writeFileSync(path("jwks.json"), JSON.stringify({ keys: pack.keys }));
    context = await startChromium(folder, { locale: "en-GB", viewport: { width: 1100, height: 900 } });
    await context.setOffline(true);
  });

  afterAll(async () => {
    await context?.close();
    if (process.env["KEEP_SCREENSHOTS"] === undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** The page from its file, and whatever it asks for or complains of. */
  async function open(): Promise<{ page: Page; requests: string[]; faults: string[] }> {
    const page = await context.newPage();
    const [requests, faults]: string[][] = [[], []];
    page.on("request", (request) => requests?.push(request.url()));
    page.on("pageerror", (error) => faults?.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults?.push(message.text()));
    await page.goto(pathToFileURL(path("verify.html")).href);
    await page.locator("body[data-ready]").waitFor();
    return { page, requests: requests ?? [], faults: faults ?? [] };
  }

  const choose = (page: Page, name: RegExp, chosen: string) =>
    page.getByRole("button", { name }).setInputFiles(path(chosen));

  async function nodeLine(text: string): Promise<string> {
    const checked = await checkPack(Buffer.from(text), undefined, undefined);
    return "fault" in checked ? `DOES NOT FIT: ${checked.fault}` : checked.summary;
  }

  test("gives verify.mjs's verdict on a pack, shows what was signed, and sends nothing", async () => {
    const { page, requests, faults } = await open();
    await choose(page, /^Evidence pack/, "pack.json");
    await page.locator('#verdict[data-kind="alone"]').waitFor();
    await choose(page, /^Text of the pack/, "pack.txt");
    await choose(page, /^The bank’s published keys/, "jwks.json");
    await page.locator('#verdict[data-kind="fits"]').waitFor();
    const run = await promisify(execFile)(process.execPath, ["verify.mjs", "pack.json", "jwks.json"], {
      cwd: folder,
      env: {},
    });
    expect(await page.locator("#line").textContent()).toBe(run.stdout.trimEnd());
    const signed = page.getByRole("region", { name: "What was signed" });
    const shown = await signed.locator("dt, dd").allInnerTexts();
    expect(Object.fromEntries(pairs(shown))).toMatchObject({
      Amount: "EUR\u00a012.50",
      Payee: pack.transaction["payee"],
    });
    const how = Object.fromEntries(
      pairs(await page.getByRole("region", { name: "How and when" }).locator("dt, dd").allInnerTexts()),
    );
    expect(how).toMatchObject({
      ...{ Result: "completed", Channel: "SMS", "Destination (masked)": "+34 *** *** 001" },
      Signed: "22 November 2026 at 12:00:03 UTC",
    });
    const states = await page.locator(".checks .state").allInnerTexts();
    expect(states).toEqual([...Array<string>(11).fill("passed"), "not checked"]);
    expect(requests).toEqual([pathToFileURL(path("verify.html")).href]);
    expect(faults).toEqual([]);
    await page.screenshot({ path: path("light.png"), fullPage: true });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.screenshot({ path: path("dark.png"), fullPage: true });
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
    await page.screenshot({ path: path("narrow.png"), fullPage: true });
    await page.close();
  });

  test("names the fault that Node names, in packs changed in every part", async () => {
    const { page, faults } = await open();
    const parts = ["events", "seals", "checkpoints", "receipt", "challenges", "provider_receipts"] as const;
    const places = [
      ...parts,
      "transaction" as const,
      "signature" as const,
      "keys" as const,
      "signed" as const,
    ]
      .flatMap((part) => leaves(pack[part], [part]))
      .filter((place) => !["", null, undefined].includes(valueAt(pack, place) as string | null));
    const flips = places.map((place, index) =>
      changedPack(pack, (copy) => setAt(copy, place, flipped(valueAt(copy, place), index * 7, index % 7))),
    );
    const spelled = file.toString();
    const packs = [
      ...flips,
      ...resignedChanges.map(([, change]) => changedPack(pack, change, true)),
      ...["", "{}", "[]", '{"format":1}', `\ufeff${spelled}`, `${spelled}\n`, JSON.stringify(pack)],
      spelled.replace('"status":', '"status": "aborted",\n    "status":'),
      spelled.replace('"number": 1,', '"number": 1.0,'),
    ];
    expect(packs.length).toBeGreaterThan(100);
    const lines = await linesOf(page, packs);
    expect(lines).toEqual(await Promise.all(packs.map(nodeLine)));
    expect(lines.filter((line) => !line.startsWith("DOES NOT FIT"))).toEqual([]);
    expect(faults).toEqual([]);
    await page.close();
  });

  test("names every fault, and calls what the file says a claim", async () => {
    const { page } = await open();
    const cut = changedPack(pack, (copy) => {
      copy.signature.status = "aborted";
      (copy.transaction as { payee: string }).payee = "Mallory\u202e";
    });
    await linesOf(page, [cut]);
    const verdict = page.getByRole("status");
    expect(await verdict.getByRole("listitem").allTextContents()).toEqual([
      "the status is aborted, and event 4 is SIGNATURE_COMPLETED",
      "the transaction was changed: its digest is not the one that was signed",
      "status of the signature is aborted, and its events say completed",
      "the pack was changed after its export: its signature is not that of the key r1",
    ]);
    await page.getByRole("region", { name: /^What the file claims, which is not proven/ }).waitFor();
    await page.getByText("Mallory⟨U+202E⟩").waitFor();
    expect(await page.locator('.checks [data-state="failed"]').count()).toBe(4);
    await page.screenshot({ path: path("faulty.png"), fullPage: true });

    await page.getByRole("radio", { name: "Español" }).press("Space");
    await verdict.getByText("El expediente no es correcto").waitFor();
    await verdict.getByText("la operación fue modificada: su resumen no es el que se firmó").waitFor();
    expect(await page.locator("html").getAttribute("lang")).toBe("es");
    await page.screenshot({ path: path("spanish.png"), fullPage: true });
    await page.close();
  });

  test("takes dropped files for what they are, and other keys for another bank's", async () => {
    const { page } = await open();
    const keys = pack.keys.map((key) => ({ ...key, x: Buffer.alloc(32, 9).toString("base64url") }));
    const dropped = [
      ["theirs.json", JSON.stringify({ keys })],
      ["a.txt", evidenceText(pack)],
      ["pack.json", file.toString()],
    ];
    await page.evaluate(`{
      const dataTransfer = new DataTransfer();
      for (const [name, text] of ${JSON.stringify(dropped)}) dataTransfer.items.add(new File([text], name));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
    }`);
    await page
      .getByRole("status")
      .getByText("the key r1 of the pack is not among the published keys")
      .waitFor();
    expect(await page.locator(".choice.chosen .name").allTextContents()).toEqual([
      "pack.json",
      "a.txt",
      "theirs.json",
    ]);
    await choose(page, /^The bank’s published keys/, "pack.txt");
    await page.getByRole("status").getByText("The chosen keys are no JWK set").waitFor();
    await page.close();
  });

  test("opens no connection even where a script tries to", async () => {
    const { page } = await open();
    const asked: string[] = [];
    const server = http.createServer(({ url }, response) => {
      asked.push(url ?? "");
      response.setHeader("access-control-allow-origin", "*").end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    await context.setOffline(false);
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const send = `fetch("${origin}/fetch").then(() => "sent", () => "refused")`;
    const outcomes = await page.evaluate(`(async () => {
      const blocked = [];
      addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
      const refused = await ${send};
      const image = new Image();
      await new Promise((resolve) => { image.onerror = resolve; image.src = "${origin}/image"; });
      const inline = document.createElement("script");
      inline.textContent = "globalThis.injected = true";
      document.body.append(inline);
      await new Promise((resolve) => setTimeout(resolve));
      return { refused, blocked, injected: globalThis.injected === true };
    })()`);
    expect(outcomes).toEqual({
      ...{ refused: "refused", injected: false },
      blocked: ["connect-src", "img-src", "script-src-elem"],
    });
    expect(asked).toEqual([]);
    // A page without the policy does reach it.
    await page.goto(`${origin}/`);
    expect(await page.evaluate(send)).toBe("sent");
    expect(asked).toContain("/fetch");
    await context.setOffline(true);
    await page.close();
    server.close();
  });

  test("is worked by keyboard, and has a name for everything", async () => {
    const { page } = await open();
    const names: string[] = [];
    for (let stop = 0; stop < 4; stop += 1) {
      await page.keyboard.press("Tab");
      names.push(await page.evaluate("document.activeElement.labels[0].innerText"));
    }
    expect(names).toEqual([
      "English",
      "Evidence pack (.json)",
      "Text of the pack (.txt), optional",
      "The bank’s published keys (JWK set), optional",
    ]);
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Shift+Tab");
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Space")]);
    await chooser.setFiles(path("pack.json"));
    await page.locator('#verdict[data-kind="alone"]').waitFor();
    const tree = await page.locator("body").ariaSnapshot();
    for (const part of [
      '- heading "Evidence check" [level=1]',
      '- group "Language":',
      '- radio "English" [checked]',
      '- button "Evidence pack (.json)"',
      '- heading "The pack is of one piece" [level=2]',
      '- region "What was signed":',
      '- region "Checks":',
      '- button "Print this report"',
    ]) {
      expect(tree).toContain(part);
    }
    await page.close();
  });

  test("speaks the browser's language, and says so where the browser cannot judge signatures", async () => {
    const page = await context.newPage();
    await page.addInitScript(`
      Object.defineProperty(navigator, "languages", { get: () => ["ca-ES", "es-ES", "en"] });
      const { importKey } = SubtleCrypto.prototype;
      SubtleCrypto.prototype.importKey = function (...args) {
        return args[2] === "Ed25519"
          ? Promise.reject(new DOMException("Unrecognized name.", "NotSupportedError"))
          : importKey.apply(this, args);
      };
    `);
    await page.goto(pathToFileURL(path("verify.html")).href);
    await page.getByRole("alert").getByText("Este navegador no puede comprobar las firmas").waitFor();
    expect(await page.getByRole("button").count()).toBe(0);
    expect(await page.title()).toBe("Comprobación de prueba");
    await page.close();
  });

  test("holds its style and script, and names nothing outside", () => {
    const html = readFileSync(path("verify.html"), "utf8");
    expect(html).toMatch(/content="default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+';/);
    expect(html).not.toMatch(/<(link|img|iframe|script src|a )|\burl\(|@import|from "node:/);
  });
});

function pairs(texts: readonly string[]): [string, string][] {
  return texts.flatMap((text, index) => (index % 2 === 0 ? [[text, texts[index + 1] ?? ""]] : []));
}
