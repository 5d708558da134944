/** A benchmark that hangs ends. */

export async function within<T>(milliseconds: number, run: () => Promise<T>): Promise<T> {
  const timer = setTimeout(() => {
    console.error(`not done within ${milliseconds / 60_000} minutes`);
    process.exit(1);
  }, milliseconds);
  try {
    return await run();
  } finally {
    clearTimeout(timer);
  }
}
