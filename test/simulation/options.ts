/** What a simulation is asked for. Each takes of it what it needs. */
export interface SimulateOptions {
  readonly seed: number;
  readonly steps: number;
  readonly clients: number;
  readonly messages: number;
  /** Runs with this seed and those that follow it. */
  readonly runs: number;
  /** Days that the relay keeps an entry; 0: as the seed says. */
  readonly retention: number;
  /** How many times as often as usual everybody is away; above 1, three times in ten for up to 400 days. */
  readonly absences: number;
}
