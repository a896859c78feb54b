import { findingsOf, publishedKeys } from "../domain/pack-verdict.ts";
import { givenPart, readFiles } from "./given-files.ts";
import { hasEd25519 } from "./node-crypto.ts";
import { reportOf } from "./report.ts";
import { visible } from "./values.ts";
import { languageOf, words } from "./words.ts";

const parts = ["pack", "text", "keys"];
const marks = { passed: "M4 11l4 4 8-10", failed: "M5 5l10 10M15 5L5 15", skipped: "M5 10h10" };

const chosen = {};
let language = languageOf(navigator.languages);
/** What was found in the files, to be shown in any language. */
let found = { kind: "waiting" };
let runs = 0;

const byId = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function translate() {
  const say = words[language];
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = say[node.dataset.word];
  for (const radio of document.getElementsByName("language")) radio.checked = radio.value === language;
  for (const part of parts) {
    byId(`${part}-name`).textContent = chosen[part] ? visible(chosen[part].name) : say.none;
    byId(part).parentElement.classList.toggle("chosen", chosen[part] !== undefined);
  }
  show();
}

function show() {
  const say = words[language];
  const verdict = byId("verdict");
  byId("report").replaceChildren();
  if (found.findings === undefined) {
    const messages = {
      ...{ waiting: say.waiting, checking: say.checking },
      ...{ unread: say.unread, notKeys: say.notKeys },
    };
    verdict.dataset.kind = ["waiting", "checking"].includes(found.kind) ? "waiting" : "unusable";
    verdict.replaceChildren(
      element("p", found.kind === "notKeys" ? { className: "title" } : {}, messages[found.kind]),
      ...(found.kind === "notKeys" ? [element("p", {}, say.notKeysMore)] : []),
    );
    return;
  }
  const report = reportOf(found.findings, found, language);
  verdict.dataset.kind = report.kind;
  const faults = report.faults.map(({ text, lang }) => element("li", { lang }, text));
  verdict.replaceChildren(
    element("h2", { className: "title" }, report.title),
    element("p", {}, report.explanation),
    ...(faults.length > 0 ? [element("ul", {}, ...faults)] : []),
  );
  const print = element("button", { type: "button", onclick: () => globalThis.print() }, say.print);
  byId("report").replaceChildren(
    ...report.sections.map((one, index) => section(one, index === 0, report.kind === "faulty")),
    block(say.checks, element("ul", { className: "checks" }, ...report.checks.map(check))),
    section({ title: say.fileList, rows: found.files.map(fileRow) }),
    element(
      "section",
      {},
      element(
        "details",
        {},
        element("summary", {}, say.line),
        element("pre", { id: "line", lang: "en" }, report.line),
      ),
    ),
    Object.assign(block(say.limits, element("p", {}, say.limitsMore)), { className: "limits" }),
    print,
  );
}

function block(title, ...content) {
  const made = element("section", {}, element("h2", {}, title), ...content);
  made.setAttribute("aria-label", title);
  return made;
}

function section({ title, rows }, leads = false, faulty = false) {
  const list = rows.flatMap(({ label, value, exact }) => [
    element("dt", {}, label),
    element("dd", { className: exact ? "exact" : "", dir: "auto" }, value),
  ]);
  const made = block(title, element("dl", {}, ...list));
  made.classList.toggle("lead", leads);
  made.classList.toggle("claimed", faulty);
  return made;
}

function check({ state, stateName, label, detail }) {
  const item = element("li", {}, mark(state), element("span", {}, label));
  item.dataset.state = state;
  item.append(element("span", { className: "state" }, stateName));
  if (detail) item.append(element("span", { className: "detail", lang: detail.lang }, detail.text));
  return item;
}

function mark(state) {
  const space = "http://www.w3.org/2000/svg";
  const [picture, path] = ["svg", "path"].map((name) => document.createElementNS(space, name));
  picture.setAttribute("viewBox", "0 0 20 20");
  picture.setAttribute("aria-hidden", "true");
  path.setAttribute("d", marks[state]);
  picture.append(path);
  return picture;
}

const fileRow = ({ name, size, sha256 }) => ({
  label: visible(name),
  value: `SHA-256 ${sha256}\n${size} ${words[language].bytes}`,
  exact: true,
});

async function judge() {
  runs += 1;
  const run = runs;
  found = { kind: chosen.pack ? "checking" : "waiting" };
  translate();
  if (chosen.pack === undefined) return;
  const next = await judged().catch(() => ({ kind: "unread" }));
  // Files that were chosen meanwhile have a run of their own.
  if (run !== runs) return;
  found = next;
  show();
}

async function judged() {
  const files = await readFiles(parts.map((part) => chosen[part]).filter((file) => file !== undefined));
  const content = (part) => files.find(({ file }) => file === chosen[part])?.bytes;
  const given = content("keys");
  const keys = given && publishedKeys(given);
  if (given !== undefined && keys === undefined) return { kind: "notKeys" };
  const text = content("text");
  const findings = await findingsOf(content("pack"), keys, text);
  return { findings, files, withKeys: keys !== undefined, withText: text !== undefined };
}

async function drop(files) {
  for (const file of files) chosen[givenPart(file.name, await file.text())] = file;
  await judge();
}

for (const part of parts) {
  byId(part).addEventListener("change", ({ target }) => {
    // A dialogue that was cancelled leaves what was chosen before.
    const [file] = target.files;
    if (file) chosen[part] = file;
    // The same file, changed meanwhile, can be chosen again.
    target.value = "";
    void judge();
  });
}
for (const radio of document.getElementsByName("language")) {
  radio.addEventListener("change", () => {
    language = radio.value;
    translate();
  });
}
const dragging = (is) => (event) => {
  event.preventDefault();
  document.body.classList.toggle("dragging", is);
};
addEventListener("dragover", dragging(true));
addEventListener("dragleave", dragging(false));
addEventListener("drop", (event) => {
  dragging(false)(event);
  void drop(event.dataTransfer.files);
});

translate();
if (!(await hasEd25519())) {
  byId("unable").hidden = false;
  byId("files").hidden = true;
  byId("verdict").hidden = true;
}
document.body.dataset.ready = "true";
