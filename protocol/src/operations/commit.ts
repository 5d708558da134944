/** An MLS commit: ends the turn, changes the roster, sends Welcomes; all of it or nothing. */
import * as v from "valibot";
import { turn } from "../primitives.ts";
import { accounts, landed, landing } from "./landing.ts";

export const commit = {
  request: v.strictObject({ ...landing, turn, add: accounts, remove: accounts }),
  answer: landed,
};
