/** Where to PUT a blob. It expires after a day unless an accepted entry refers to it. */
import * as v from "valibot";
import { blobReference, time } from "../primitives.ts";

export const uploadBlob = {
  request: blobReference,
  answer: v.object({
    url: v.string(),
    /** To be sent as they are; the signature covers them. */
    headers: v.record(v.string(), v.string()),
    expires: time,
  }),
};
