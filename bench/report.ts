/** How a benchmark reports: a table for people and, with `--json`, one JSON object as the last line. */

export type Cell = string | number;

export interface Report {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  readonly notes?: readonly string[];
  readonly json: Readonly<Record<string, unknown>>;
}

/** Of the fields of a report's JSON that are zero where all is well: those that are not, with what they are. */
export function notZero({ json }: Pick<Report, "json">, zero: readonly string[]): readonly string[] {
  return zero.filter((name) => json[name] !== 0).map((name) => `${name} ${JSON.stringify(json[name])}`);
}

export interface BenchOptions {
  readonly quick: boolean;
  /** Where a benchmark has devices: how many. */
  readonly devices?: number | undefined;
  /** Where a benchmark runs one suite: its number. */
  readonly suite?: number | undefined;
}

export function render(report: Report): string {
  const table = [report.columns, ...report.rows.map((row) => row.map(cell))];
  const widths = report.columns.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const numeric = report.columns.map((_, column) => report.rows.every((row) => typeof row[column] === "number"));
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => (numeric[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [
    report.title,
    "",
    line(table[0]!),
    widths.map((width) => "-".repeat(width)).join("  "),
    ...table.slice(1).map(line),
    ...(report.notes?.length ? ["", ...report.notes] : []),
  ].join("\n");
}

function cell(value: Cell): string {
  if (typeof value === "string") return value;
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toPrecision(3);
}

export function suiteName(suite: number): string {
  return `0x${suite.toString(16).padStart(4, "0")}`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
