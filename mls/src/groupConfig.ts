/** What a group remembers beyond the current key of each sender: the trade of forward secrecy for tolerance. */
export interface GroupConfig {
  /** Message keys kept per sender when messages arrive out of order (RFC 9420, sections 9.2 and 15.3). */
  readonly skippedKeys: number;
  /** How far a message's generation may be ahead of the last one seen from its sender. */
  readonly forwardLimit: number;
  /** Epochs whose messages can still be read after a commit. */
  readonly pastEpochs: number;
  /** Epochs (the current one not counted) whose resumption PSK is kept. */
  readonly resumptionPsks: number;
}

/** The best forward secrecy that MLS can give, for a transport that keeps order. */
export const strictConfig: GroupConfig = { skippedKeys: 0, forwardLimit: 1000, pastEpochs: 0, resumptionPsks: 0 };

/** For transports that reorder and delay. */
export const lenientConfig: GroupConfig = { skippedKeys: 32, forwardLimit: 1000, pastEpochs: 3, resumptionPsks: 3 };
