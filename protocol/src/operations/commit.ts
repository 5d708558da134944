/** An MLS commit: ends the turn, changes the roster, sends Welcomes; all of it or nothing. */
import * as v from "valibot";
import { seq, turn } from "../primitives.ts";
import { accounts, landed, landing } from "./landing.ts";

export const commit = {
  request: v.strictObject({
    ...landing,
    turn,
    /** The last entry that its maker had read: a commit that does not know who left would be void. */
    after: seq,
    add: accounts,
    remove: accounts,
  }),
  answer: landed,
};
