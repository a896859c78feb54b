/** The values of a label: a closed list, or known values and the form that all others have. */
export type LabelSet = readonly string[] | { readonly known: readonly string[]; readonly form: RegExp };

export interface MetricDefinition {
  readonly kind: "counter" | "histogram" | "gauge" | "observed_counter";
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, LabelSet>>;
  readonly buckets?: readonly number[];
}
