/** A selector of series, as it stands in an expression. */
export interface Selector {
  readonly name: string;
  readonly matchers: readonly Matcher[];
  /** As PromQL, without a range. */
  readonly text: string;
}

export interface Matcher {
  readonly label: string;
  readonly operator: "=" | "!=" | "=~" | "!~";
  readonly value: string;
}

const grouping = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const keywords = new Set(["and", "or", "unless", "bool", "offset", "start", "end", "inf", "nan"]);

/** Every selector in an expression. It knows as much of PromQL as our rules and panels use. */
export function selectorsIn(expression: string): Selector[] {
  const found: Selector[] = [];
  const rest = expression.replace(
    /([a-zA-Z_:][\w:]*)\{((?:"(?:[^"\\]|\\.)*"|[^"}])*)\}/g,
    (text, name, inner) => {
      found.push({ name, matchers: matchersIn(inner), text });
      return "";
    },
  );
  const bare = rest
    .replace(/"(?:[^"\\]|\\.)*"/g, "")
    .replace(/\[[^\]]*\]/g, "")
    .replace(grouping, "");
  for (const [name] of bare.matchAll(/(?<![\w:.])[a-zA-Z_:][\w:]*(?![\w:]|\s*\()/g)) {
    if (!keywords.has(name.toLowerCase())) found.push({ name, matchers: [], text: name });
  }
  return found;
}

/** The labels that an expression groups or joins by. */
export function groupingLabelsIn(expression: string): string[] {
  return [...expression.matchAll(grouping)].flatMap(([, labels = ""]) =>
    labels
      .split(",")
      .map((label) => label.trim())
      .filter((label) => label !== ""),
  );
}

/** Whether a series with these labels is selected; a label that is absent is empty, as in Prometheus. */
export function selects({ matchers }: Selector, labels: Readonly<Record<string, string>>): boolean {
  return matchers.every(({ label, operator, value }) => {
    const actual = labels[label] ?? "";
    if (operator === "=") return actual === value;
    if (operator === "!=") return actual !== value;
    return new RegExp(`^(?:${value})$`).test(actual) === (operator === "=~");
  });
}

function matchersIn(text: string): Matcher[] {
  return [...text.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g)].map(
    ([, label = "", operator, value = ""]) => ({ label, operator: operator as Matcher["operator"], value }),
  );
}
