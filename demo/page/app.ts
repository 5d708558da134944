/** The demo page: two people, and between them all that the cloud can see. */
import type { CloudEvent, DemoSession, Side } from "../cloudEvents.ts";
import { createCloudPane } from "./cloudPane.ts";
import { element } from "./dom.ts";
import { createPerson, type Person } from "./person.ts";

const names: Readonly<Record<Side, string>> = { alice: "Alice", bob: "Bob" };

function compose(stage: HTMLElement): void {
  // Both devices are in this page, so it can tell one side what the other decrypted; no receipt is sent.
  const people: Record<Side, Person> = {
    alice: createPerson({ side: "alice", names, onRead: (seq) => people.bob.confirm(seq), onFailure: fail }),
    bob: createPerson({ side: "bob", names, onRead: (seq) => people.alice.confirm(seq), onFailure: fail }),
  };
  const cloud = createCloudPane(names, (seq) => {
    people.alice.pane.mark(seq);
    people.bob.pane.mark(seq);
  });
  stage.append(people.alice.pane.root, cloud.root, people.bob.pane.root);

  function fail(error: unknown): void {
    console.error(error);
    const message = error instanceof Error ? error.message : String(error);
    stage.querySelector(".failure")?.remove();
    stage.append(
      element(
        "p",
        { class: "failure", role: "alert" },
        element("strong", {}, "Something went wrong. "),
        `${message} Reload the page to begin anew.`,
      ),
    );
  }

  start(people, (event) => cloud.take(event)).catch(fail);
}

async function start(people: Readonly<Record<Side, Person>>, take: (event: CloudEvent) => void): Promise<void> {
  const session = await openSession();
  const events = new EventSource(`events?session=${session.id}`);
  events.addEventListener("message", ({ data }) => take(JSON.parse(String(data)) as CloudEvent));
  // It connects again by itself, until the server does not know the session any more.
  const over = new Promise<never>((_, reject) => {
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) reject(new Error("The demo server was started anew."));
    });
  });

  const [alice, bob] = await Promise.all([people.alice.signIn(session), people.bob.signIn(session)]);
  // Before that, nobody can invite Bob: his key packages are not out yet.
  await bob.caughtUp();
  bob.on("conversation", (conversation) => people.bob.follow(conversation));
  people.alice.follow(await alice.conversation({ with: [bob.account] }));
  await over;
}

async function openSession(): Promise<DemoSession> {
  const response = await fetch("session", { method: "POST" });
  if (!response.ok) throw new Error(`The demo server answered ${response.status}.`);
  return (await response.json()) as DemoSession;
}

const stage = document.getElementById("stage");
if (stage !== null) compose(stage);
