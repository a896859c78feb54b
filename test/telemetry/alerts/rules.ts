import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

export const rulesFolder = new URL("../../../src/telemetry/alerts/", import.meta.url).pathname;
const dashboardsFolder = new URL("../../../src/telemetry/dashboards/", import.meta.url).pathname;

export interface Rule {
  readonly kind: "alert" | "record";
  readonly name: string;
  readonly file: string;
  readonly expression: string;
  /** Everything that stands under the rule. */
  readonly text: string;
}

export interface Query {
  readonly panel: string;
  readonly expression: string;
}

/** The paths of the rule files. */
export function ruleFiles(): string[] {
  return globSync(join(rulesFolder, "*.yaml")).sort();
}

/** Every rule, read in the one layout that our files have; promtool holds that they are YAML. */
export function readRules(): Rule[] {
  return ruleFiles().flatMap((path) => {
    const [, ...blocks] = readFileSync(path, "utf8").split(/^ {6}- (?=alert: |record: )/m);
    return blocks.map((text) => {
      const [, kind, name] = /^(alert|record): (\S+)$/m.exec(text) ?? [];
      const [, oneLine, lines] = /^ {8}expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)/m.exec(text) ?? [];
      const expression = (lines ?? oneLine)?.trim();
      if ((kind !== "alert" && kind !== "record") || name === undefined || expression === undefined)
        throw new Error(`${path} has a rule of another layout:\n${text}`);
      return { kind, name, file: basename(path), expression, text };
    });
  });
}

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** Every query of every panel of the dashboards. */
export function readQueries(): Query[] {
  return readPanels().flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ panel: title, expression: expr })),
  );
}

export function readPanels(): Panel[] {
  return globSync(join(dashboardsFolder, "*.json")).flatMap((path) => {
    const { panels } = JSON.parse(readFileSync(path, "utf8")) as { panels: readonly Panel[] };
    return panels.filter(({ type }) => type !== "row");
  });
}
