import { defaultPort, OptionsError, parseOptions } from "../../demo/options.ts";

test("without options, the page is served in memory on the usual port", () => {
  expect(parseOptions([])).toEqual({ mode: "serve", port: defaultPort });
});

test("each option is understood", () => {
  expect(parseOptions(["--port", "0", "--data", "./here"])).toEqual({ mode: "serve", port: 0, data: "./here" });
  expect(parseOptions(["--once", "--data=x"])).toMatchObject({ mode: "once", data: "x" });
  expect(parseOptions(["--help", "--once"])).toMatchObject({ mode: "help" });
});

test.each([
  [["--colour"], "--colour"],
  [["again"], "again"],
  [["--port"], "--port"],
  [["--port", "http"], "http"],
  [["--port", "70000"], "70000"],
  [["--port="], "--port"],
  [["--data="], "--data"],
  [["--once", "--port", "1"], "--port"],
])("%j is refused by name", (args, name) => {
  expect(() => parseOptions(args)).toThrow(OptionsError);
  expect(() => parseOptions(args)).toThrow(name);
});
