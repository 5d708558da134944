/** Why the relay is about to close this socket: API Gateway lets no backend choose a close code. */
import * as v from "valibot";

export const byePush = v.object({
  push: v.literal("bye"),
  code: v.picklist(["superseded", "device_revoked", "lease_expired", "token_expired", "clock_skew", "proof_replayed"]),
});
