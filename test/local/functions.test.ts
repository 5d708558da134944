import type { LocalCloud } from "@tacit/local";
import { connectSample, startSample, type SampleClient } from "./sampleCloud.ts";

describe("functions", () => {
  let cloud: LocalCloud;
  let client: SampleClient;
  beforeAll(async () => {
    cloud = await startSample({ environment: () => ({ GREETING: "from the test" }) });
    client = await connectSample(cloud);
  });
  afterAll(() => cloud.close());

  test("each has the environment of the template, and what the start replaced", async () => {
    expect(await client.ask("env", { name: "GREETING" })).toMatchObject({ value: "from the test" });
    expect(await client.ask("env", { name: "ENTRIES" })).toMatchObject({
      value: expect.stringContaining("SampleData-Entries"),
    });
    expect(await client.ask("env", { name: "AWS_REGION" })).toMatchObject({ value: "eu-central-1" });
    expect((await client.ask("env", { name: "PATH" }))["value"]).toBeUndefined();
  });

  test("the endpoint of the deployed API becomes that of the front door", async () => {
    expect(await client.ask("env", { name: "CALLBACK" })).toMatchObject({ value: `${cloud.address}/v1` });
    expect(cloud.outputs["Sample"]).toEqual({ Url: cloud.url });
  });

  test("a replaced variable that no function has stops the start", async () => {
    await expect(startSample({ environment: () => ({ GREETINGS: "typo" }) })).rejects.toThrow("GREETINGS");
  });

  test("globals last in an environment, and consecutive invocations use different ones", async () => {
    const counts: unknown[] = [];
    for (let round = 0; round < 4; round++) counts.push((await client.ask("count"))["invocations"]);
    expect(counts).toEqual([1, 1, 2, 2]);
  });

  test("between invocations an environment stands still", async () => {
    await client.ask("startTicking");
    await client.ask("count");
    await client.ask("sleep", { milliseconds: 60 });
    await client.ask("count");
    // The sleep ran in the environment that ticks; since then neither thread has run for longer than a moment.
    const { ticks: before } = await client.ask("ticks");
    await new Promise((resolve) => setTimeout(resolve, 100));
    await client.ask("count");
    const { ticks: after } = await client.ask("ticks");
    expect(before).toBeGreaterThan(3);
    expect((after as number) - (before as number)).toBeLessThan(5);
  });

  test("time is the cloud's", async () => {
    await cloud.advance(7 * 60_000);
    const { now, date, isDate } = await client.ask("time");
    expect(Math.abs((now as number) - cloud.now())).toBeLessThan(5_000);
    expect(Date.parse(String(date))).toBeGreaterThanOrEqual(now as number);
    expect(isDate).toBe(true);
  });

  test("requests are signed at the cloud's time", async () => {
    await cloud.advance(86_400_000);
    client = await connectSample(cloud);
    const { value: TableName } = await client.ask("env", { name: "ENTRIES" });
    const get = () => client.call("dynamodb", "getItem", { TableName, Key: { log: { S: "a" }, seq: { N: "1" } } });
    // Signatures are good for fifteen minutes: a function whose clock had stayed behind would be refused.
    for (let round = 0; round < 4; round++) expect(await get()).toMatchObject({ attempts: 1 });
  });

  test("what fails, dies or takes too long answers with an error frame and leaves a log", async () => {
    for (const task of ["fail", "exit"]) {
      client.socket.send(JSON.stringify({ task }));
      expect(JSON.parse(await client.next())).toEqual({
        message: "Internal server error",
        connectionId: expect.any(String),
        requestId: expect.any(String),
      });
    }
    client.socket.send(JSON.stringify({ task: "sleep", milliseconds: 10_000 }));
    expect(JSON.parse(await client.next())).toMatchObject({ message: "Internal server error" });
    const log = cloud.logs("Relay").join("");
    expect(log).toContain("on purpose");
    expect(log).toContain("Runtime exited");
    expect(log).toContain("Task timed out after 3.00 seconds");
    expect(await client.ask("count")).toMatchObject({ invocations: expect.any(Number) });
  });

  test("what a function writes can be read", async () => {
    await client.ask("log", { text: "a line" });
    expect(cloud.logs("Relay")).toContain("a line\n");
  });
});
