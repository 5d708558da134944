/** A doorbell: something is in the device's inbox. */
import * as v from "valibot";

export const inboxPush = v.object({ push: v.literal("inbox") });
