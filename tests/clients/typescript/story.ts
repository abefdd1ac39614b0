// The story of scripts/clients, by the generated TypeScript client. Every step that went well is a line.

import {
  Configuration,
  ConnectivityApi,
  ContainersApi,
  DiagnosticsApi,
  EventFromJSON,
  FetchError,
  MatrixLineFromJSON,
  MatrixRequestToJSON,
  NetworksApi,
  ProblemFromJSON,
  ResponseError,
  ServiceApi,
  Verdict,
} from "../client/index.js";
import type { CheckDestination, CheckResult, Network, NetworkCreate, Problem } from "../client/index.js";

const url = process.env["STORY_URL"] ?? "";
const token = process.env["STORY_TOKEN"] ?? "";
const name = "story-typescript";
const configuration = new Configuration({ basePath: url, accessToken: token });
const networks = new NetworksApi(configuration);
const containers = new ContainersApi(configuration);
const connectivity = new ConnectivityApi(configuration);
const diagnostics = new DiagnosticsApi(configuration);

function must(holds: boolean, step: string): void {
  if (!holds) {
    throw new Error(`not so: ${step}`);
  }
  console.log(step);
}

/** The failure of a call that must fail; `Kind` says how. */
async function failure<E extends Error>(kind: new (...given: never[]) => E, call: Promise<unknown>): Promise<E> {
  try {
    await call;
  } catch (error) {
    if (error instanceof kind) {
      return error;
    }
    throw error;
  }
  throw new Error("it did not fail");
}

async function problem(call: Promise<unknown>): Promise<[number, Problem]> {
  const error = await failure(ResponseError, call);
  return [error.response.status, ProblemFromJSON(await error.response.json())];
}

async function callDirectly(): Promise<void> {
  const direct = new Configuration({ basePath: process.env["STORY_DIRECT"] ?? "", accessToken: token });
  const caller = await new ServiceApi(direct).getCaller();
  must(caller.name === "admin", "a call without a proxy between is answered");
}

async function listByPages(): Promise<void> {
  const names: string[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await networks.listNetworks({ limit: 1, ...(cursor ? { cursor } : {}) });
    names.push(...page.items.map((network) => network.name));
    cursor = page.nextCursor;
  } while (cursor !== null);
  must(names.join() === "bridge,host,none", "listed three networks by pages of one");
}

async function createWithKey(): Promise<Network> {
  const networkCreate: NetworkCreate = { name, labels: { team: "edge" } };
  await failure(FetchError, networks.createNetwork({ networkCreate, idempotencyKey: name }));
  const answer = await networks.createNetworkRaw({ networkCreate, idempotencyKey: name });
  const made = await answer.value();
  const replayed = answer.raw.headers.get("Idempotent-Replayed") === "true";
  must(replayed && made.labels["team"] === "edge", "created once, by a retry after a dropped answer");
  return made;
}

async function failInTwoWays(): Promise<void> {
  const [status, told] = await problem(networks.createNetwork({ networkCreate: { name } }));
  must(status === 409 && told.code === "network-name-taken", "a conflict is a typed problem");
  const bad: NetworkCreate = { name: `${name}-2`, ipam: { pools: [{ subnet: "10.77.0.1/24" }] } };
  const [refused, faults] = await problem(networks.createNetwork({ networkCreate: bad }));
  const fault = faults.errors?.[0];
  const pointed = fault?._in === "body" && fault.pointer === "/ipam/pools/0/subnet";
  must(refused === 422 && pointed, "a fault is pointed at");
}

async function dryRun(): Promise<void> {
  const would = await networks.createNetworkRaw({ networkCreate: { name: `${name}-2` }, dryRun: true });
  const told = would.raw.headers.get("Bridgework-Dry-Run") === "true";
  must(told && (await would.value()).id === null, "a dry run answers the network without an id");
}

async function runContainer(one: string, networkMode: string): Promise<void> {
  const containerCreate = { name: one, image: "busybox", command: ["sleep", "600"], networkMode };
  const made = await containers.createContainer({ containerCreate });
  must(made.id !== null && made.state === "running", "a container runs");
}

async function connect(): Promise<void> {
  const container = `${name}-b`;
  await networks.disconnectContainer({ network: "none", container });
  const endpointConnect = { aliases: ["web"] };
  const endpoint = await networks.connectContainer({ network: name, container, endpointConnect });
  const joined = endpoint.network.name === name && endpoint.aliases.includes("web");
  must(joined, "a container is connected");
}

function check(destination: CheckDestination): Promise<CheckResult> {
  const source = { container: `${name}-a` };
  return connectivity.checkConnectivity({ checkRequest: { source, destination, timeoutMs: 500 } });
}

async function checkTwoWays(): Promise<void> {
  const good = await check({ name: `${name}-b` });
  must(good.verdict === Verdict.Reachable && good.measured.rttMs !== null, "a name is reached");
  const bad = await check({ name: "absent" });
  const causes = (await diagnostics.listExplanations({})).items.map((explanation) => explanation.code);
  const known = causes.includes(bad.findings[0]?.code ?? "");
  must(bad.verdict === Verdict.Unreachable && known, "an unknown name is explained");
}

async function measure(): Promise<void> {
  const matrix = await connectivity.measureMatrix({ matrixRequest: { network: name } });
  must(matrix.verdicts[0]?.join() === "self,reachable", "a matrix has its rows");
  const lines = [];
  for await (const line of stream("POST", "/v1/connectivity/matrix")) {
    lines.push(MatrixLineFromJSON(JSON.parse(line)));
  }
  const rows = lines.filter((line) => line.type === "row");
  const last = lines.at(-1);
  const whole = rows.length === 2 && last?.type === "end" && last.summary?.reachable === 2;
  must(whole, "a matrix streams its rows");
}

/** Lines as they come, by fetch: generated methods read a whole answer. */
async function* stream(method: "GET" | "POST", path: string): AsyncGenerator<string> {
  const accept = { Authorization: `Bearer ${token}`, Accept: "application/x-ndjson, text/event-stream" };
  const post = { body: JSON.stringify(MatrixRequestToJSON({ network: name })) };
  const headers = method === "POST" ? { ...accept, "Content-Type": "application/json" } : accept;
  const abort = new AbortController();
  const sent: RequestInit = { method, headers, signal: abort.signal, ...(method === "POST" ? post : {}) };
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
  setTimeout(() => void networks.disconnectContainer({ network: name, container: `${name}-b` }), 500);
  for await (const line of stream("GET", `/v1/events?network=${name}`)) {
    if (line.startsWith("data: ")) {
      const event = EventFromJSON(JSON.parse(line.slice("data: ".length)));
      const right = event.type === "network" && event.action === "disconnect" && event.network?.name === name;
      must(right, "an event is typed");
      return;
    }
  }
}

async function readAgain(made: Network): Promise<void> {
  const etag = (await networks.getNetworkRaw({ network: made.id ?? "" })).raw.headers.get("ETag") ?? "";
  const error = await failure(ResponseError, networks.getNetwork({ network: made.id ?? "", ifNoneMatch: etag }));
  must(error.response.status === 304, "nothing new is a 304");
}

async function tidyUp(): Promise<void> {
  await networks.deleteNetwork({ network: name, force: true, dryRun: true });
  must((await networks.listNetworks({ name: [name] })).items.length === 1, "a dry run deletes nothing");
  for (const one of [`${name}-a`, `${name}-b`]) {
    await containers.deleteContainer({ container: one, force: true });
  }
  await networks.deleteNetwork({ network: name });
  must((await networks.listNetworks({ name: [name] })).items.length === 0, "all is removed");
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
