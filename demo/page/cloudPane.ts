/** What the cloud sees: frames as they pass, tables as they stand, and the bill. */
import type { CloudEvent, Side } from "../cloudEvents.ts";
import { createCostMeter } from "./costMeter.ts";
import { element } from "./dom.ts";
import { createStoredView } from "./storedView.ts";
import { createWireView } from "./wireView.ts";

export type CloudPane = { readonly root: HTMLElement; take(event: CloudEvent): void };

/** `choose` is told which place of the log was opened, or that none is. */
export function createCloudPane(
  names: Readonly<Record<Side, string>>,
  choose: (seq: number | undefined) => void,
): CloudPane {
  const wire = createWireView(names);
  const stored = createStoredView(choose);
  const cost = createCostMeter();
  const root = element(
    "section",
    { class: "cloud", "aria-labelledby": "cloud-name" },
    element(
      "header",
      {},
      element("h2", { id: "cloud-name" }, "What the cloud sees"),
      element("p", {}, "Ciphertext and metadata. Nothing else ever arrives here."),
    ),
    wire.root,
    stored.root,
    cost.root,
  );
  return {
    root,
    take(event) {
      switch (event.type) {
        case "frame":
          return wire.frame(event);
        case "socket":
          return wire.socket(event);
        case "stored":
          return stored.stored(event);
        case "cost":
          return cost.show(event);
      }
    },
  };
}
