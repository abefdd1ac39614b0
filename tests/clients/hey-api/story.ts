// The story of scripts/clients, by the client of @hey-api/openapi-ts. Every step that went well is a line.

import { createClient, createConfig } from "../client/client/index.js";
import {
  checkConnectivity,
  connectContainer,
  createContainer,
  createNetwork,
  deleteContainer,
  deleteNetwork,
  disconnectContainer,
  getCaller,
  getNetwork,
  listExplanations,
  listNetworks,
  measureMatrix,
} from "../client/index.js";
import type { CheckResult, Event, MatrixLine, Network, NetworkCreate, Problem } from "../client/index.js";

const url = process.env["STORY_URL"] ?? "";
const token = process.env["STORY_TOKEN"] ?? "";
const name = "story-hey-api";
const client = createClient(createConfig({ baseUrl: url, auth: token }));

function must(holds: boolean, step: string): void {
  if (!holds) {
    throw new Error(`not so: ${step}`);
  }
  console.log(step);
}

type Answer<T> = { data: T | undefined; error?: unknown; response?: Response };

async function good<T>(call: Promise<Answer<T>>): Promise<T> {
  const { data, error } = await call;
  if (data === undefined) {
    throw new Error(JSON.stringify(error));
  }
  return data;
}

/** The status and the typed problem of a failure: `error` has the type of the problem document. */
async function problem(body: NetworkCreate): Promise<[number | undefined, Problem | undefined]> {
  const { error, response } = await createNetwork({ client, body });
  return [response?.status, error];
}

async function callDirectly(): Promise<void> {
  const direct = createClient(createConfig({ baseUrl: process.env["STORY_DIRECT"] ?? "", auth: token }));
  const caller = await good(getCaller({ client: direct }));
  must(caller.name === "admin", "a call without a proxy between is answered");
}

async function listByPages(): Promise<void> {
  const names: string[] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = cursor === null ? { limit: 1 } : { limit: 1, cursor };
    const page: { items: Network[]; next_cursor: string | null } = await good(listNetworks({ client, query }));
    names.push(...page.items.map((network) => network.name));
    cursor = page.next_cursor;
  } while (cursor !== null);
  must(names.join() === "bridge,host,none", "listed three networks by pages of one");
}

async function createWithKey(): Promise<Network> {
  const sent = { client, body: { name, labels: { team: "edge" } }, headers: { "Idempotency-Key": name } };
  const dropped = await createNetwork(sent);
  const { data, response } = await createNetwork(sent);
  const replayed = dropped.data === undefined && response?.headers.get("Idempotent-Replayed") === "true";
  must(replayed && data?.labels["team"] === "edge", "created once, by a retry after a dropped answer");
  return data as Network;
}

async function failInTwoWays(): Promise<void> {
  const [status, told] = await problem({ name });
  must(status === 409 && told?.code === "network-name-taken", "a conflict is a typed problem");
  const [refused, faults] = await problem({ name: `${name}-2`, ipam: { pools: [{ subnet: "10.77.0.1/24" }] } });
  const fault = faults?.errors?.[0];
  must(refused === 422 && fault?.in === "body" && fault.pointer === "/ipam/pools/0/subnet", "a fault is pointed at");
}

async function dryRun(): Promise<void> {
  const { data, response } = await createNetwork({ client, body: { name: `${name}-2` }, query: { dry_run: true } });
  const told = response?.headers.get("Bridgework-Dry-Run") === "true";
  must(told && data?.id === null, "a dry run answers the network without an id");
}

async function runContainer(one: string, networkMode: string): Promise<void> {
  const body = { name: one, image: "busybox", command: ["sleep", "600"], network_mode: networkMode };
  const made = await good(createContainer({ client, body }));
  must(made.id !== null && made.state === "running", "a container runs");
}

async function connect(): Promise<void> {
  const container = `${name}-b`;
  await disconnectContainer({ client, path: { network: "none", container } });
  const endpoint = await good(
    connectContainer({ client, path: { network: name, container }, body: { aliases: ["web"] } }),
  );
  must(endpoint.network.name === name && endpoint.aliases.includes("web"), "a container is connected");
}

function check(destination: { name: string }): Promise<CheckResult> {
  const body = { source: { container: `${name}-a` }, destination, timeout_ms: 500 };
  return good(checkConnectivity({ client, body })) as Promise<CheckResult>;
}

async function checkTwoWays(): Promise<void> {
  const reached = await check({ name: `${name}-b` });
  must(reached.verdict === "reachable" && reached.measured.rtt_ms !== null, "a name is reached");
  const bad = await check({ name: "absent" });
  const causes = (await good(listExplanations({ client }))).items.map((explanation) => explanation.code);
  const known = causes.includes(bad.findings[0]?.code ?? "");
  must(bad.verdict === "unreachable" && known, "an unknown name is explained");
}

async function measure(): Promise<void> {
  const { data } = await measureMatrix({ client, body: { network: name } });
  const matrix = data as { verdicts: string[][] };
  must(matrix.verdicts[0]?.join() === "self,reachable", "a matrix has its rows");
  const lines: MatrixLine[] = [];
  for await (const line of stream("POST", "/v1/connectivity/matrix")) {
    lines.push(JSON.parse(line) as MatrixLine);
  }
  const last = lines.at(-1);
  const rows = lines.filter((line) => line.type === "row").length;
  must(rows === 2 && last?.type === "end" && last.summary?.reachable === 2, "a matrix streams its rows");
}

/** Lines as they come, by fetch: generated functions read a whole answer. */
async function* stream(method: "GET" | "POST", path: string): AsyncGenerator<string> {
  const headers = { Authorization: `Bearer ${token}`, Accept: "application/x-ndjson, text/event-stream" };
  const body = { headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify({ network: name }) };
  const abort = new AbortController();
  const sent = { method, headers, signal: abort.signal, ...(method === "POST" ? body : {}) };
  const answer = await fetch(url + path, sent);
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } finally {
    abort.abort();
  }
}

async function follow(): Promise<void> {
  setTimeout(() => void disconnectContainer({ client, path: { network: name, container: `${name}-b` } }), 500);
  for await (const line of stream("GET", `/v1/events?network=${name}`)) {
    if (line.startsWith("data: ")) {
      const event = JSON.parse(line.slice("data: ".length)) as Event;
      const right = event.type === "network" && event.action === "disconnect" && event.network?.name === name;
      must(right, "an event is typed");
      return;
    }
  }
}

async function readAgain(made: Network): Promise<void> {
  const path = { network: made.id ?? "" };
  const etag = (await getNetwork({ client, path })).response?.headers.get("ETag") ?? "";
  const again = await getNetwork({ client, path, headers: { "If-None-Match": etag } });
  must(again.response?.status === 304, "nothing new is a 304");
}

async function tidyUp(): Promise<void> {
  const path = { network: name };
  await deleteNetwork({ client, path, query: { force: true, dry_run: true } });
  const named = () => good(listNetworks({ client, query: { name: [name] } }));
  must((await named()).items.length === 1, "a dry run deletes nothing");
  for (const container of [`${name}-a`, `${name}-b`]) {
    await deleteContainer({ client, path: { container }, query: { force: true } });
  }
  await deleteNetwork({ client, path });
  must((await named()).items.length === 0, "all is removed");
}

await callDirectly();
await listByPages();
const network = await createWithKey();
await failInTwoWays();
await dryRun();
await runContainer(`${name}-a`, name);
await runContainer(`${name}-b`, "none");
await connect();
await checkTwoWays();
await measure();
await follow();
await readAgain(network);
await tidyUp();
