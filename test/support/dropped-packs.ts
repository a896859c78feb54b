import type { Page } from "playwright-core";

/** What the page says in verify.mjs's words of each of these texts, dropped on it one after another. */
export async function linesOf(page: Page, texts: readonly string[]): Promise<string[]> {
  return await page.evaluate(`(async () => {
    const lines = [];
    for (const text of ${JSON.stringify(texts)}) {
      document.getElementById("line")?.remove();
      const shown = new Promise((resolve) => {
        const observer = new MutationObserver(() => {
          const line = document.getElementById("line");
          if (line) resolve(line.textContent);
        });
        observer.observe(document.body, { childList: true, subtree: true });
      });
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([text], "p.json"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
      lines.push(await shown);
    }
    return lines;
  })()`);
}
