/** Names of conversations. */

/**
 * What is hashed (SHA-256 over UTF-8) into the id of a direct conversation, so that both sides creating at once meet
 * in one. Injective: JSON of a fixed label, the two accounts in order of their UTF-16 code units, and the generation.
 */
export function directConversationName(accounts: readonly [string, string], generation: number): string {
  const [first, second] = accounts[0] < accounts[1] ? accounts : [accounts[1], accounts[0]];
  return JSON.stringify(["tacit direct conversation 1", first, second, generation]);
}

export function isDirect(conversation: string): boolean {
  return conversation.startsWith("d-");
}
