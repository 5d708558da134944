/** SDK clients against a service that takes a request and never answers: they give up. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { apiGatewaySockets } from "../../lambdas/adapters/apiGatewaySockets.ts";
import { requestHandler } from "../../lambdas/adapters/awsClients.ts";

let server: Server;
let endpoint: string;
const credentials = { accessKeyId: "a", secretAccessKey: "b" };

beforeAll(async () => {
  server = createServer(() => {});
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  Object.assign(process.env, {
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  });
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test("a table", async () => {
  const client = new DynamoDBClient({ endpoint, region: "eu-west-1", credentials, maxAttempts: 1, requestHandler });
  await expect(client.send(new ListTablesCommand({}))).rejects.toMatchObject({ name: "TimeoutError" });
}, 6_000);

test("a socket: posting fails, closing is reported", async () => {
  const reported: unknown[] = [];
  const sockets = apiGatewaySockets(endpoint, { unexpected: (error) => void reported.push(error) });
  expect(await Promise.all([sockets.post("one", "{}"), sockets.close("two")])).toEqual(["failed", undefined]);
  expect(reported).toHaveLength(2);
}, 9_000);
