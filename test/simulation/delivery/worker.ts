/** A process that runs one seed after another, as it is told. */
import { simulateDelivery, type DeliveryOptions } from "./simulate.ts";

process.on("message", (options: DeliveryOptions) => {
  void simulateDelivery(options).then((delivery) => process.send?.(delivery));
});
