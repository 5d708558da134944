/** Reads variables of the environment, when a function starts. */

/** @throws Error that names the variable which is missing */
export function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`environment: ${name} is not set`);
  return value;
}

export function numberVariable(name: string): number {
  const value = Number(variable(name));
  if (!Number.isFinite(value)) throw new Error(`environment: ${name} is not a number`);
  return value;
}

/** Where SQS is: the origin of its queue, or where the environment says. */
export function sqsEndpoint(queueUrl: string): string {
  const { AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL } = process.env;
  return AWS_ENDPOINT_URL_SQS ?? AWS_ENDPOINT_URL ?? new URL(queueUrl).origin;
}

/** Where S3 is, for this region, or where the environment says. */
export function s3Endpoint(region: string): string {
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  return AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL ?? `https://s3.${region}.amazonaws.com`;
}
