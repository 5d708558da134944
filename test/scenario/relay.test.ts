/** Stories about the relay alone, told by devices without a client. */
import { relayStories } from "./stories/index.ts";
import { tell } from "./tell.ts";

tell(relayStories);
