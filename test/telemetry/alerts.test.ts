import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { basename, delimiter, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import type { LabelSet, MetricDefinition } from "../../src/telemetry/metric-definition.ts";
import { metricDefinitions } from "../../src/telemetry/metric-definitions.ts";
import { groupingLabelsIn, type Selector, selectorsIn, selects } from "./alerts/promql.ts";
import { readPanels, readQueries, readRules, ruleFiles, rulesFolder } from "./alerts/rules.ts";
import { type Series, type StartedTelemetry, startedTelemetry } from "./started-telemetry.ts";

const rules = readRules();
const alerts = rules.filter(({ kind }) => kind === "alert");
const recorded = new Set(rules.filter(({ kind }) => kind === "record").map(({ name }) => name));
const unitTests = globSync(new URL("./alerts/*.yaml", import.meta.url).pathname).sort();

describe("alerts and dashboards", () => {
  it("ask only for series that the service has, with labels and values that they can have", async () => {
    await using started = await startedTelemetry();
    const series = await everySeries(started);
    const asked = [
      ...rules.map(({ name, expression }) => ({ by: name, expression })),
      ...readQueries().map(({ panel, expression }) => ({ by: panel, expression })),
    ];
    expect(asked.length).toBeGreaterThan(60);
    const faults = asked.flatMap(({ by, expression }) =>
      faultsOf(expression, series).map((fault) => `${by}: ${fault}`),
    );
    expect(faults).toEqual([]);
  });

  it("would be told from ones that ask for what does not exist", async () => {
    await using started = await startedTelemetry();
    const series = await everySeries(started);
    expect(faultsOf("rate(signature_sent_total[5m]) > 0", series)).toEqual([
      "no series signature_sent_total",
    ]);
    expect(faultsOf('signature_closed_total{status="done"}', series)).toHaveLength(1);
    expect(faultsOf('signature_closed_total{state="expired"}', series)).toHaveLength(1);
    expect(faultsOf("sum by (channel) (signature_closed_total)", series)).toEqual(["no label channel"]);
  });

  it("cover every metric of the service: each stands in a rule or a panel", () => {
    const names = new Set(
      [...rules, ...readQueries()].flatMap(({ expression }) =>
        selectorsIn(expression).map(({ name }) => name.replace(/_(bucket|sum|count|total)$/, "")),
      ),
    );
    const unseen = Object.values<MetricDefinition>(metricDefinitions).filter(
      ({ name }) => !names.has(name.replaceAll(".", "_")),
    );
    expect(unseen.map(({ name }) => name)).toEqual([]);
  });

  it("say what to do: each alert has its paragraph in the runbook, and each paragraph its alert", () => {
    const runbook = readFileSync(join(rulesFolder, "RUNBOOK.md"), "utf8");
    const paragraphs = new Map(
      runbook
        .split(/^### /m)
        .slice(1)
        .map((section) => [section.split("\n")[0], section.split("\n").slice(1).join("\n").trim()]),
    );
    expect([...paragraphs.keys()].sort()).toEqual(alerts.map(({ name }) => name).sort());
    for (const [name, text] of paragraphs) expect(text.length, name).toBeGreaterThan(50);
    for (const { name, text } of alerts) {
      expect(text, name).toContain(`runbook: src/telemetry/alerts/RUNBOOK.md#${name.toLowerCase()}\n`);
      expect(text, name).toMatch(/severity: (?:page|ticket)\n/);
      for (const part of ["summary: ", "description: "]) expect(text, name).toContain(part);
    }
    const titles = new Set(readPanels().map(({ title }) => title));
    const named = [...runbook.matchAll(/\*([^*]+)\*/g)].map(([, title = ""]) => title.replace(/\s+/g, " "));
    expect(named.filter((title) => !titles.has(title))).toEqual([]);
  });

  it("are each seen firing in a unit test", () => {
    const text = unitTests.map((path) => readFileSync(path, "utf8")).join("\n");
    expect(alerts.filter(({ name }) => !text.includes(`alertname="${name}"`))).toEqual([]);
  });
});

const promtool = "promtool";
const hasPromtool = (process.env["PATH"] ?? "")
  .split(delimiter)
  .some((folder) => globSync(join(folder, promtool)).length > 0);

// In CI it belongs to the machine: without it the tests run, and fail by not finding it.
describe
  .skipIf(!hasPromtool && process.env["CI"] !== "true")
  .concurrent("promtool, where installed (Debian: prometheus)", () => {
    it("takes every rule file", async ({ expect }) => {
      const { stdout } = await run("check", "rules", "--lint-fatal", ...ruleFiles());
      expect(stdout.match(/SUCCESS/g)).toHaveLength(ruleFiles().length);
    });

    for (const path of unitTests) {
      it(`sees the alerts fire, and keep silent, as ${basename(path)} says`, async ({ expect }) => {
        const { stdout } = await run("test", "rules", path);
        expect(stdout).toContain("SUCCESS");
      });
    }
  });

async function run(...args: string[]): Promise<{ stdout: string }> {
  // Short-lived: collecting garbage takes half of its time.
  const env = { PATH: process.env["PATH"], GOGC: "off" };
  try {
    return await promisify(execFile)(promtool, args, { env });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`promtool ${args[0]}:\n${stdout}${stderr}`, { cause: error });
  }
}

/** What Prometheus adds, or has of its own. */
const scraped = ["job", "instance"];
const ownSeries: Readonly<Record<string, readonly string[]>> = { up: scraped };

function faultsOf(expression: string, series: readonly Series[]): string[] {
  const known = new Set(scraped);
  const faults = selectorsIn(expression).flatMap((selector) => {
    if (Object.hasOwn(ownSeries, selector.name) || recorded.has(selector.name)) return [];
    const named = series.filter(({ name }) => name === selector.name);
    if (named.length === 0) return [`no series ${selector.name}`];
    for (const { labels } of named) for (const label of Object.keys(labels)) known.add(label);
    const matchers = selector.matchers.filter(({ label }) => !scraped.includes(label));
    return matchers.flatMap((matcher) => {
      const alone: Selector = { ...selector, matchers: [matcher] };
      const possible = named.some(({ labels }) => matcher.label in labels && selects(alone, labels));
      return possible ? [] : [`nothing for ${matcher.label} in ${selector.text}`];
    });
  });
  const groupings = groupingLabelsIn(expression).filter((label) => !known.has(label));
  return [...faults, ...groupings.map((label) => `no label ${label}`)];
}

/** All series there can be: every definition with every known value, or an example of its form. */
async function everySeries({ telemetry: { meter }, series }: StartedTelemetry): Promise<Series[]> {
  for (const definition of Object.values<MetricDefinition>(metricDefinitions)) {
    const { kind, name, unit, description, labels } = definition;
    const sets = labelSets(labels);
    if (kind === "counter") {
      const counter = meter.createCounter(name, { unit, description });
      for (const set of sets) counter.add(1, set);
    } else if (kind === "histogram") {
      const buckets = [...(definition.buckets ?? [])];
      const histogram = meter.createHistogram(name, {
        ...{ unit, description },
        advice: { explicitBucketBoundaries: buckets },
      });
      for (const set of sets) histogram.record(1, set);
    } else {
      const options = { unit, description };
      const observed =
        kind === "gauge"
          ? meter.createObservableGauge(name, options)
          : meter.createObservableCounter(name, options);
      observed.addCallback((result) => {
        for (const set of sets) result.observe(1, set);
      });
    }
  }
  return await series();
}

const examples = [
  ...SignatureService.methods.map(({ name }) => `${SignatureService.typeName}/${name}`),
  ...["SignatureStore.start", "57P01", "20003", "http_503", "1.0.0", "v24.0.0"],
];

/** One set for each value of each label, the others at their first. */
function labelSets(labels: Readonly<Record<string, LabelSet>>): Record<string, string>[] {
  const values = Object.entries(labels).map(([label, set]): [string, readonly string[]] => [
    label,
    "form" in set ? [...set.known, ...examples.filter((example) => set.form.test(example))] : set,
  ]);
  const first = Object.fromEntries(values.map(([label, [value = ""]]) => [label, value]));
  return [first, ...values.flatMap(([label, all]) => all.map((value) => ({ ...first, [label]: value })))];
}
