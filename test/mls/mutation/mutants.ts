/**
 * The list of mutants: each takes one validation rule, or one clause of it, out of the engine, and names the section that it
 * comes from and the tests of which one must then fail.
 */

export interface Mutant {
  /** Of RFC 9420. */
  readonly section: string;
  readonly rule: string;
  /** Below mls/src. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly search: string;
  readonly replacement: string;
  /** Names of test files below test/mls. */
  readonly tests: readonly string[];
  /** Why no test can notice: another check refuses the same input first. */
  readonly equivalent?: string;
}

/** In the place of a call that is taken out; takes the arguments, so that a part of the text suffices. */
const nothing = "((..._unused: unknown[]): void => {})";

const rules = ["commitRules", "external", "publicKeys", "succession"];
const joining = ["joining", "publicKeys", "succession"];
const framing = ["framing", "external", "limits", "succession"];

type Row = readonly [section: string, rule: string, search: string, replacement: string, equivalent?: string];

function of(file: string, tests: readonly string[], rows: readonly Row[]): Mutant[] {
  return rows.map(([section, rule, search, replacement, equivalent]) => ({
    section,
    rule,
    file,
    search,
    replacement,
    tests,
    ...(equivalent === undefined ? {} : { equivalent }),
  }));
}

const pathRule = 'return proposal.type !== "add" && proposal.type !== "psk" && proposal.type !== "reinit";';
const withoutPath = (type: string): string => pathRule.replace("return ", `return proposal.type !== "${type}" && `);

export const mutants: readonly Mutant[] = [
  ...of("proposal.ts", rules, [
    ["12.4", "a Remove needs a path", pathRule, withoutPath("remove")],
    ["12.4", "an Update needs a path", pathRule, withoutPath("update")],
    ["12.4", "group context extensions need a path", pathRule, withoutPath("groupContextExtensions")],
  ]),
  ...of(
    "treeKem.ts",
    [...rules, "scenario"],
    [
      [
        "7.5",
        "new leaves get no path secrets",
        ".filter((node) => (node & 1) === 1 || !newLeaves.has(node >> 1))",
        ".filter((node) => node >= 0 || newLeaves.size < 0)",
      ],
      ["7.5", "the path has the filtered length", "if (steps.length !== path.nodes.length)", "if (steps.length < 0)"],
      [
        "7.5",
        "one ciphertext for each recipient",
        "!== recipients(draft, step, newLeaves).length",
        "=== -1 - recipients(draft, step, newLeaves).length",
      ],
      ["7.9.2", "the leaf carries the path's parent hash", "|| !equalBytes(leaf.parentHash, carried)", ""],
      [
        "7.5",
        "path secrets fit the public keys",
        "if (expected === undefined || !equalBytes(keyPair.publicKey, expected))",
        "if (expected === undefined)",
      ],
    ],
  ),
  ...of("processCommit.ts", rules, [
    [
      "7.3",
      "keys of the path are sound",
      "for (const { encryptionKey } of path.nodes) checkEncryptionKey(suite, encryptionKey);",
      "",
    ],
    ["12.4.2", "keys of the path are new", "  checkFreshKeys(draft, path);", ""],
    [
      "12.4.2",
      "keys of the path differ from each other",
      "if (fresh.some((other, at) => at < index && samePublicBytes(key, other))) throw notFresh();",
      "void [key, index];",
    ],
    [
      "7.3",
      "the new leaf succeeds the old one",
      "if (replaced !== undefined) await validateReplacement({ authentication }, replaced, leaf);",
      "",
    ],
    [
      "12.4.3.2",
      "a resync's leaf succeeds the removed one",
      "const replaced = previous ?? applied.removed[0]?.leafNode;",
      "const replaced = previous;",
    ],
    ["7.3", "the path's leaf is valid", "await validateLeafNode(suite, leaf, {", `await ${nothing}(suite, leaf, {`],
    [
      "7.3",
      "changed leaves fit the group",
      "validateChangedLeaves(draft, changed, provisional, applied.extensionsChanged, authentication);",
      "void [changed, validateChangedLeaves];",
    ],
    [
      "12.4",
      "an empty commit needs a path",
      "(list.length === 0 || list.some(({ proposal }) => requiresPath(proposal)))",
      "list.some(({ proposal }) => requiresPath(proposal))",
    ],
    [
      "12.4.2",
      "the confirmation tag is right",
      "!equalBytes(content.auth.confirmationTag, following.confirmationTag)",
      "content.auth.confirmationTag === following.confirmationTag",
    ],
  ]),
  ...of("proposalList.ts", rules, [
    [
      "12.2",
      "who may propose what, in a commit",
      "if (committer !== undefined) checkSenderMayPropose(sender, proposal);",
      "void [proposal, sender];",
      "what is referred to was checked on arrival, and of what stands by value the list's own rules refuse ExternalInit",
    ],
    [
      "12.1",
      "each proposal is valid",
      "await Promise.all(list.map(({ proposal, sender }) => validateProposal(after, proposal, sender)));",
      "void after;",
    ],
    [
      "12.1.1",
      "an added key package is valid",
      'return validateKeyPackage(proposal.keyPackage, rules, { role: "member", groupContext });',
      "return;",
    ],
    [
      "12.1.2",
      "an Update's leaf has the right source",
      'if (leaf.source !== "update") throw',
      "if (false as boolean) throw",
    ],
    [
      "12.1.2",
      "an Update has a new key and a successor",
      "await validateReplacement(rules, current, leaf);",
      "void current;",
    ],
    [
      "12.1.2",
      "an Update's leaf is valid",
      'await validateLeafNode(suite, leaf, position, authentication, { role: "member", groupContext });',
      "void [suite, position, authentication, validateLeafNode];",
    ],
    [
      "7.3",
      "a leaf is replaced with a new encryption key",
      "if (samePublicBytes(current.encryptionKey, next.encryptionKey))",
      "if (false as boolean)",
    ],
    [
      "5.3.1",
      "a credential is a successor",
      "await checkSuccessor(current, next, rules.authentication);",
      "void rules;",
    ],
    [
      "12.1.3",
      "a Remove names a member",
      "requireLeaf(tree, proposal.removed);\n      return;",
      "return;",
      "applying it asks for the member too",
    ],
    [
      "12.1.4",
      "a PSK's nonce has the hash's length",
      "if (id.nonce.length !== suite.hashLength)",
      "if (suite.hashLength < 0)",
    ],
    [
      "12.1.4",
      "the usage of resumption PSKs",
      'if (id.type === "resumption" && id.usage !== usage)',
      "if (usage === undefined)",
    ],
    ["12.1.5", "a ReInit does not go back", "if (proposal.version < mls10) throw", "if (proposal.version < 0) throw"],
    ["12.2", "no Remove of the committer", "if (target === committer)", "if (target === -2)"],
    ["12.2", "a leaf changes once", "if (touched.has(target)) throw", "if (false as boolean) throw"],
    ["12.2", "a PSK once, by a member", "if (psks.has(key)) throw", "if (false as boolean) throw"],
    ["12.2", "group context extensions once", "if (++extensions > 1) throw", "if (++extensions > 100) throw"],
    [
      "12.2",
      "a ReInit stands alone",
      '} else if (proposal.type === "reinit" && list.length > 1) {',
      "} else if (list.length > 10_000) {",
    ],
    [
      "12.4.3.2",
      "external commits refer to nothing",
      "if (list.some(({ byReference }) => byReference))",
      "if (list.length > 10_000)",
    ],
    ["12.4.3.2", "exactly one ExternalInit", 'count("externalInit") !== 1 || ', ""],
    ["12.4.3.2", "at most one Remove", ' || count("remove") > 1', ""],
    [
      "12.4.3.2",
      "no other proposals in an external commit",
      'if (count("externalInit") + count("remove") + count("psk") !== list.length)',
      "if (list.length > 10_000)",
    ],
    [
      "6.1",
      "what external senders may propose",
      "? externallyProposable.has(proposal.type)",
      "? externallyProposable.size > 0",
    ],
    [
      "12.1.8",
      "members do not propose ExternalInit",
      '? proposal.type !== "externalInit"',
      "? true",
      "a member's commit refuses the type by itself",
    ],
  ]),
  ...of(
    "keyPackageValidation.ts",
    [...rules, ...joining],
    [
      ["10.1", "the key package's suite", "if (keyPackage.cipherSuite !== suite.id)", "if (suite.id < 0)"],
      ["10.1", "the leaf's source", 'if (leaf.source !== "keyPackage")', "if (suite.id < 0)"],
      ["10.1", "the init key is sound", "checkEncryptionKey(suite, keyPackage.initKey);", ""],
      [
        "10.1",
        "init key and encryption key differ",
        "if (samePublicBytes(keyPackage.initKey, leaf.encryptionKey))",
        "if (suite.id < 0)",
      ],
      [
        "10.1",
        "the key package's signature",
        "if (!(await verifyKeyPackageSignature(suite, keyPackage)))",
        "if (suite.id < 0)",
      ],
      [
        "10.1",
        "the leaf is valid",
        "await validateLeafNode(suite, leaf, undefined, authentication, context);",
        "void [authentication, context];",
      ],
      ["7.3", "the lifetime, for who adds", "checkLifetime(leaf, options.lifetime);", ""],
    ],
  ),
  ...of(
    "leafNodeValidation.ts",
    [...rules, ...joining],
    [
      ["7.3", "capabilities of a leaf", "  checkCapabilities(suite, leaf);", ""],
      ["7.3", "version in capabilities", "!capabilities.versions.includes(mls10) || ", ""],
      ["7.3", "suite in capabilities", " || !capabilities.cipherSuites.includes(suite.id)", ""],
      ["7.3", "the leaf's encryption key is sound", "checkEncryptionKey(suite, leaf.encryptionKey);", ""],
      [
        "7.3",
        "the leaf's signature",
        "if (!(await verifyLeafNodeSignature(suite, leaf, position)))",
        "if (position?.leafIndex === -1)",
      ],
      [
        "5.3.1",
        "the application accepts the credential",
        "  await authenticateCredential(authentication, leaf.credential, leaf.signatureKey, context);",
        "",
      ],
      [
        "7.3",
        "extensions of the group context",
        "  checkGroupExtensions(affected, groupContext.extensions);",
        "void affected;",
      ],
      [
        "12.1.7",
        "new extensions are for all members",
        "extensionsChanged ? occupiedLeaves(tree).map(({ leafNode }) => leafNode) : leaves",
        "extensionsChanged ? leaves : leaves",
      ],
      [
        "11.1",
        "required capabilities",
        "required !== undefined && !meetsRequired(capabilities, required)",
        "required === undefined && false",
      ],
      ["7.3", "credential types of the others", "  checkCredentialTypes(tree, leaves);", ""],
      [
        "7.3",
        "unique keys among few",
        "if (changed.length <= few) checkFew(tree, changed, authentication);",
        "if (changed.length <= few) void checkFew;",
      ],
      ["7.3", "unique keys among many", "else checkAllUnique(tree, authentication);", ""],
      [
        "5.3.1",
        "a successor has the same identity",
        'if (!accepted) throw invalid("successor_rejected"',
        'if (!accepted) void invalid("successor_rejected"',
      ],
    ],
  ),
  ...of(
    "treeIndex.ts",
    ["treeIndex"],
    [
      [
        "7.3",
        "the index follows leaves",
        "if (leaf !== this.#leaves[index]) this.#setLeaf(index, leaf);",
        "if (this.#leaves[index] === undefined) this.#setLeaf(index, leaf);",
      ],
      [
        "7.3",
        "the index follows parents",
        "if (parent === this.#parents[index]) continue;",
        "if (this.#parents[index] !== undefined) continue;",
      ],
      [
        "7.3",
        "the index follows identities",
        "if (this.#identities !== undefined) this.#identities.ofLeaf[index] = undefined;",
        "",
      ],
      [
        "7.3",
        "identities are those of one hook",
        "if (this.#identities?.by !== by)",
        "if (this.#identities === undefined)",
      ],
      [
        "7.3",
        "encryption keys of leaves",
        "if (leaf !== undefined && samePublicBytes(leaf.encryptionKey, key)) return true;",
        "void leaf;",
      ],
      [
        "7.3",
        "encryption keys of parents",
        "if (parent !== undefined && samePublicBytes(parent.encryptionKey, key)) return true;",
        "void parent;",
      ],
      [
        "7.3",
        "signature keys",
        "if (leaf !== undefined && samePublicBytes(leaf.signatureKey, key)) return true;",
        "void leaf;",
      ],
      ["7.3", "credential types in use", "if (type !== last && type !== blank) types.add(type);", ""],
      [
        "7.3",
        "common credential types are supported by all",
        "if (!supported) return false;",
        "if (!supported && type > 2) return false;",
      ],
      [
        "7.3",
        "other credential types are supported by all",
        "capabilities.credentials.includes(type) === true",
        "capabilities.credentials !== undefined",
      ],
    ],
  ),
  ...of(
    "lifetime.ts",
    [...rules, ...joining],
    [
      ["7.2", "not before", "policy.now < notBefore || ", ""],
      ["7.2", "not after", " || policy.now > notAfter", ""],
      ["7.2", "the maximum lifetime", "notAfter - notBefore > policy.maximum", "notAfter - notBefore < 0n"],
    ],
  ),
  ...of("treeValidation.ts", joining, [
    [
      "12.4.3.1",
      "the tree hash",
      "if (!equalBytes(rootHash(suite, draft), groupContext.treeHash))",
      "rootHash(suite, draft);\n  if (suite.id < 0)",
    ],
    [
      "7.3",
      "keys of parents are sound",
      "for (const parent of draft.parents) if (parent !== undefined) checkEncryptionKey(suite, parent.encryptionKey);",
      "",
    ],
    ["7.9", "unmerged leaves", "  validateUnmergedLeaves(draft);", ""],
    ["7.9", "unmerged leaves are members", "tree.leaves[leafIndex] === undefined || ", ""],
    ["7.9", "unmerged leaves are below their node", " || !covers(node, leafIndex)", ""],
    ["7.9.2", "parent hashes", "  verifyParentHashes(suite, draft);", ""],
    ["7.3", "unique keys", "  checkAllUnique(draft, options.authentication);", ""],
    [
      "7.3",
      "members fit the group",
      "  validateChangedLeaves(draft, indices, groupContext, false, options.authentication);",
      "  void indices;",
    ],
    ["7.3", "lifetimes of members", "      checkLifetime(leafNode, options.lifetime);", ""],
    ["7.3", "leaves of members", "return validateLeafNode(suite, leafNode, {", `return ${nothing}(suite, leafNode, {`],
  ]),
  ...of("joinGroup.ts", joining, [
    ["10", "the own lifetime", "checkLifetime(keyPackage.leafNode, options.lifetime);", ""],
    ["12.4.3.1", "the suite of the Welcome", "if (welcome.cipherSuite !== suite.id || ", "if ("],
    [
      "12.4.3.1",
      "the suite of the group",
      "if (groupContext.cipherSuite !== suite.id) throw",
      "if (suite.id < 0) throw",
    ],
    [
      "12.4.3.1",
      "the GroupInfo's signature",
      "if (!(await verifyGroupInfo(suite, groupInfo, signerLeaf.signatureKey)))",
      "if (signerLeaf === undefined)",
    ],
    [
      "12.4.3.1",
      "the tree is valid",
      "await validateTree(suite, tree, groupContext, {",
      `await ${nothing}(suite, tree, groupContext, {`,
    ],
    [
      "12.4.3.1",
      "the confirmation tag",
      "if (!equalBytes(confirmationTag, groupInfo.confirmationTag))",
      "if (suite.id < 0)",
    ],
    ["11.3", "the group before", "  checkPredecessor(", `  ${nothing}(`],
  ]),
  ...of(
    "externalCommit.ts",
    ["external"],
    [
      [
        "12.4.3.2",
        "the GroupInfo's signature",
        "if (!(await verifyGroupInfo(suite, info, signer.signatureKey)))",
        "if (signer === undefined)",
      ],
      [
        "12.4.3.2",
        "the tree is valid",
        "await validateTree(suite, tree, info.groupContext, {",
        `await ${nothing}(suite, tree, info.groupContext, {`,
      ],
    ],
  ),
  ...of("unprotectMessage.ts", framing, [
    ["6", "the group", "if (!samePublicBytes(groupId, groupContext.groupId)) throw", "if (false as boolean) throw"],
    [
      "6.3.2",
      "the sender is a member",
      "      requireLeaf(view.tree, leafIndex);",
      "",
      "the signature key asks for the member too",
    ],
    ["6.2", "the membership tag", "!equalBytes(message.membershipTag, expected)", "message.membershipTag === expected"],
    [
      "6.1",
      "the signature of private messages",
      'await verifySignature(suite, "privateMessage"',
      'await (async (..._unused: unknown[]) => {})(suite, "privateMessage"',
    ],
    [
      "6.1",
      "the signature of public messages",
      'await verifySignature(suite, "publicMessage"',
      'await (async (..._unused: unknown[]) => {})(suite, "publicMessage"',
    ],
    [
      "6",
      "no application data in public",
      'if (framed.content.contentType === "application")',
      "if (false as boolean)",
      "who receives it asks for a generation, which public messages do not have",
    ],
    [
      "6.1",
      "what a newcomer may propose",
      ' || content.proposal.type !== "add") throw contentNotAllowed();',
      ") throw contentNotAllowed();",
    ],
    [
      "15.3",
      "only application messages of the past",
      'if (view.past >= 0 && message.contentType !== "application")',
      "if (view.past >= 1000)",
    ],
  ]),
  ...of("privateMessage.ts", framing, [
    ["6.3.1", "the padding is zero", "if (plaintext[index] !== 0) throw", "if (index < 0) throw"],
    [
      "6.3.2",
      "the leaf index is in the tree",
      "if (leafIndex >= protection.secretTree.leafCount)",
      "if (leafIndex < 0)",
      "the check of the sender asks for the member too",
    ],
    [
      "6.3.1",
      "authenticated data is authenticated",
      "  writer.opaque(header.authenticatedData);\n  return writer.finish();",
      "  return writer.finish();",
      "the signature covers it too",
    ],
  ]),
  ...of("secretTree.ts", framing, [
    ["9.2", "a key is used once", 'throw invalid("generation_consumed"', 'void invalid("generation_consumed"'],
    ["15.3", "the forward limit", 'throw invalid("generation_too_far"', 'void invalid("generation_too_far"'],
    ["15.3", "the last generation", 'throw invalid("generation_exhausted"', 'void invalid("generation_exhausted"'],
  ]),
  ...of(
    "groupState.ts",
    ["purity", "state"],
    [
      [
        "9.2",
        "keys of blanked and replaced nodes go",
        "if (old !== undefined && current !== undefined && samePublicBytes(old, current)) kept.set(node, key);",
        "if (old !== undefined || current !== undefined) kept.set(node, key);",
      ],
    ],
  ),
  ...of("processMessage.ts", framing, [
    [
      "12.1.5",
      "no commit after a ReInit",
      "if (unprotected.state.epoch.reinit !== undefined) throw",
      "if (false as boolean) throw",
    ],
    ["12.1.5", "no proposal after a ReInit", "if (epoch.reinit !== undefined) throw reinitialized();", ""],
    [
      "14",
      "the number of pending proposals",
      "epoch.proposals.length >= maximumPendingProposals",
      "maximumPendingProposals < 0",
    ],
  ]),
  ...of(
    "publicKeyCheck.ts",
    ["publicKeys"],
    [
      [
        "7.3",
        "X25519 keys of small order",
        "return !smallOrder.some((point) => {",
        "return !smallOrder.slice(99).some((point) => {",
      ],
      ["7.3", "points on P-256", "(y * y - (x * x * x - 3n * x + b)) % p === 0n", "b > 0n"],
      [
        "7.3",
        "coefficients of ML-KEM",
        "if (first >= mlKem.q || second >= mlKem.q) return false;",
        "void [first, second];",
      ],
    ],
  ),
];
