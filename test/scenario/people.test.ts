/** Stories about people and their clients. */
import { peopleStories } from "./stories/index.ts";
import { tell } from "./tell.ts";

tell(peopleStories);
