/**
 * One execution environment of a function, in a worker thread. It loads the bundle, then handles one event at a time;
 * between events the whole thread stands still, as Lambda freezes a sandbox: no timer fires and no promise goes on.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 */
import { pathToFileURL } from "node:url";
import { receiveMessageOnPort, workerData } from "node:worker_threads";

const { port, signal: signalBuffer, offset: offsetBuffer, file, exportName, fixed } = workerData;
const signal = new Int32Array(signalBuffer);
const offset = new Float64Array(offsetBuffer);

// The cloud's time may be ahead of the machine's: functions must not see the difference.
const MachineDate = Date;
const machineNow = Date.now.bind(Date);
const now = () => machineNow() + offset[0];
MachineDate.now = now;
globalThis.Date = new Proxy(MachineDate, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new MachineDate(now()).toString(),
});

// A frozen thread would keep back what its streams have buffered, so output goes straight to the host.
for (const stream of [process.stdout, process.stderr]) {
  stream.write = (chunk, encoding, callback) => {
    const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
    port.postMessage({ kind: "log", text });
    const done = typeof encoding === "function" ? encoding : callback;
    if (typeof done === "function") process.nextTick(done);
    return true;
  };
}

const failure = (error) => ({
  errorType: error instanceof Error ? error.name : typeof error,
  errorMessage: error instanceof Error ? error.message : String(error),
  trace: error instanceof Error ? String(error.stack).split("\n") : [],
});

const started = performance.now();
let handler;
try {
  handler = (await import(pathToFileURL(file).href))[exportName];
  if (typeof handler !== "function") throw new Error(`${exportName} is undefined or not exported`);
} catch (error) {
  port.postMessage({ kind: "initError", ...failure(error) });
  process.exit(1);
}
let initMilliseconds = performance.now() - started;
port.postMessage({ kind: "loaded" });

for (;;) {
  Atomics.wait(signal, 0, 0);
  Atomics.store(signal, 0, 0);
  const { event, context, limit } = receiveMessageOnPort(port).message;
  const begun = performance.now();
  const deadline = machineNow() + limit;
  const answer = await handle(JSON.parse(event), {
    ...fixed,
    ...context,
    getRemainingTimeInMillis: () => Math.max(0, deadline - machineNow()),
  });
  port.postMessage({ ...answer, milliseconds: performance.now() - begun + initMilliseconds });
  initMilliseconds = 0;
}

async function handle(event, context) {
  try {
    const payload = JSON.stringify(await handler(event, context));
    return { kind: "answer", payload: payload ?? "null" };
  } catch (error) {
    return { kind: "error", ...failure(error) };
  }
}
