/** What a simulation is asked for. */
export interface SimulateOptions {
  readonly seed: number;
  readonly steps: number;
}
