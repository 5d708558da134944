/** What AWS would have billed for this page so far. */
import type { CostEvent } from "../cloudEvents.ts";
import { element } from "./dom.ts";

export type CostMeter = { readonly root: HTMLElement; show(cost: CostEvent): void };

export function createCostMeter(): CostMeter {
  const total = element("output", { class: "total", "aria-label": "Cost so far" }, dollars(0));
  const lines = element("dl", { class: "lines" });
  const root = element(
    "details",
    { class: "cost" },
    element("summary", {}, element("span", {}, "This would have cost"), total),
    lines,
  );
  return {
    root,
    show(cost) {
      total.textContent = dollars(cost.dollars);
      lines.replaceChildren(
        ...cost.lines.map(({ name, count, dollars: part }) =>
          element(
            "div",
            {},
            element("dt", {}, name),
            element("dd", {}, count.toLocaleString("en", { maximumFractionDigits: 2 })),
            element("dd", {}, dollars(part)),
          ),
        ),
      );
    },
  };
}

function dollars(amount: number): string {
  return `$${amount.toFixed(7)}`;
}
