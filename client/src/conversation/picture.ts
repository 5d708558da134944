/** A group's picture: a blob sealed under a key that only the group's data holds. */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { decodeBase64Url, encodeBase64Url } from "@tacit/protocol";
import type { ConversationDeps } from "./conversationDeps.ts";
import { TacitError } from "../errors.ts";
import { fetched, uploaded } from "../payloads.ts";
import { concat } from "../session/bytes.ts";
import type { Picture } from "../session/group/groupData.ts";

type PictureDeps = Pick<ConversationDeps, "connection" | "blobs" | "context">;

const nonceLength = 24;
/** Bytes. */
const largest = 2 * 1024 * 1024;

/** @throws TacitError `too_large`, Refused, LostAnswer */
export async function storePicture(deps: PictureDeps, picture: Uint8Array): Promise<Picture> {
  if (picture.length > largest) throw new TacitError("too_large", `a picture has at most ${largest} bytes`);
  const { provider } = deps.context();
  const [key, nonce] = [provider.random(32), provider.random(nonceLength)];
  const sealed = concat(nonce, xchacha20poly1305(key, nonce).encrypt(picture));
  const { blob } = await uploaded({ ...deps, provider }, sealed);
  return { ...blob, key: encodeBase64Url(key) };
}

/** Undefined: it is not there any more, or is not what it should be. @throws Refused, LostAnswer */
export async function fetchPicture(deps: PictureDeps, { key, ...blob }: Picture): Promise<Uint8Array | undefined> {
  const { provider } = deps.context();
  const sealed = blob.size > largest + 1_024 ? undefined : await fetched({ ...deps, provider }, blob);
  if (sealed === undefined) return undefined;
  try {
    const nonce = sealed.subarray(0, nonceLength);
    return xchacha20poly1305(decodeBase64Url(key), nonce).decrypt(sealed.subarray(nonceLength));
  } catch {
    return undefined;
  }
}
