import type { Results } from "./report.ts";

const width = 900;
const height = 380;
const colours: Readonly<Record<string, string>> = {
  StartSignature: "#1f5fa8",
  CompleteSignature: "#b3541e",
  GetSignature: "#3d7a37",
};

/** Throughput by callers on the left, CPU a call beside its floor on the right. */
export function plot(results: Results): string {
  const { machine } = results;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<rect width="${width}" height="${height}" fill="white"/>
<text x="20" y="24" font-size="15">Signature router on ${escaped(machine.cpu)}, ${machine.cores} cores, Node ${escaped(machine.node)}, PostgreSQL ${escaped(machine.postgres)}</text>
${throughput(results, 60, 60, 400, 260)}
${cost(results, 560, 60, 300, 260)}
</svg>
`;
}

function throughput({ closed }: Results, left: number, top: number, wide: number, high: number): string {
  const callers = [...new Set(closed.map((step) => step.callers))];
  const most = Math.max(...closed.map(({ measured }) => measured.perSecond), 1) * 1.1;
  const x = (count: number) => left + (callers.indexOf(count) / Math.max(1, callers.length - 1)) * wide;
  const y = (value: number) => top + high - (value / most) * high;
  const lines = [...new Set(closed.map(({ method }) => method))].map((method, index) => {
    const steps = closed.filter((step) => step.method === method);
    const points = steps.map(
      (step) => `${x(step.callers).toFixed(1)},${y(step.measured.perSecond).toFixed(1)}`,
    );
    const colour = colours[method] ?? "black";
    return `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>
<text x="${left + 8}" y="${top + 16 + index * 16}" fill="${colour}">${method}</text>`;
  });
  const marks = callers.map(
    (count) => `<text x="${x(count)}" y="${top + high + 18}" text-anchor="middle">${count}</text>`,
  );
  return `${axes(left, top, wide, high, most, y)}
${marks.join("\n")}
<text x="${left + wide / 2}" y="${top + high + 38}" text-anchor="middle">callers (calls a second)</text>
${lines.join("\n")}`;
}

function cost({ closed, floor }: Results, left: number, top: number, wide: number, high: number): string {
  const most64 = closed.filter(({ callers }) => callers === 64);
  const bars = [
    ...most64.map(({ method, measured }) => ({
      name: method.replace("Signature", ""),
      parts: [
        { us: measured.serviceUs, colour: colours[method] ?? "black" },
        { us: measured.postgresUs, colour: "#bbbbbb" },
      ],
    })),
    {
      name: "Start's floor",
      parts: [
        { us: floor.statements.ownUs, colour: "#6d8fb8" },
        { us: floor.post.ownUs, colour: "#93add0" },
        { us: floor.echo.serviceUs, colour: "#bccbe2" },
      ],
    },
  ];
  const most = Math.max(...bars.map(({ parts }) => parts.reduce((sum, { us }) => sum + us, 0)), 1) * 1.1;
  const y = (value: number) => top + high - (value / most) * high;
  const step = wide / bars.length;
  const drawn = bars.map(({ name, parts }, index) => {
    let reached = 0;
    const x = left + index * step + step * 0.2;
    const stack = parts.map(({ us, colour }) => {
      const from = reached;
      reached += us;
      return `<rect x="${x.toFixed(1)}" y="${y(reached).toFixed(1)}" width="${(step * 0.6).toFixed(1)}" height="${(y(from) - y(reached)).toFixed(1)}" fill="${colour}"/>`;
    });
    return `${stack.join("")}<text x="${(x + step * 0.3).toFixed(1)}" y="${top + high + 18}" text-anchor="middle">${name}</text>`;
  });
  return `${axes(left, top, wide, high, most, y)}
${drawn.join("\n")}
<text x="${left + wide / 2}" y="${top + high + 38}" text-anchor="middle">CPU µs a call, 64 callers: service, and PostgreSQL in grey</text>`;
}

function axes(
  left: number,
  top: number,
  wide: number,
  high: number,
  most: number,
  y: (value: number) => number,
): string {
  const size = 10 ** Math.floor(Math.log10(most / 4));
  const step =
    [1, 2, 5, 10].map((factor) => factor * size).find((candidate) => most / candidate <= 6) ?? most;
  const lines: string[] = [];
  for (let value = 0; value <= most; value += step) {
    lines.push(
      `<line x1="${left}" x2="${left + wide}" y1="${y(value)}" y2="${y(value)}" stroke="#dddddd"/><text x="${left - 6}" y="${y(value) + 4}" text-anchor="end">${value}</text>`,
    );
  }
  return `${lines.join("\n")}<line x1="${left}" x2="${left}" y1="${top}" y2="${top + high}" stroke="black"/>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
