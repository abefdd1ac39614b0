/**
 * The service, as the page calls it: one place for the token, for problem documents, for ETags and for streams.
 * EventSource cannot send a token, so event streams are read from fetch.
 */

const KEY = "bridgework-token";
const ROOT = new URL(".", document.baseURI);
const remembered = new Map();

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => {
    sessionStorage.removeItem(KEY);
    remembered.clear();
  },
};

/** A problem document (RFC 9457), or what stands in for one when nothing could be reached. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail);
    this.status = status;
    this.code = document.code;
    this.remedy = document.remedy ?? null;
    this.faults = document.errors ?? [];
  }
}

/** Send a request; answers the Response of a success (or a 304), throws a Problem for everything else. */
async function send(method, path, { body, headers = {}, signal } = {}) {
  const sent = { Authorization: `Bearer ${token.get()}`, ...headers };
  if (body !== undefined && body !== null) sent["Content-Type"] = "application/json";
  const init = { method, headers: sent, signal, cache: "no-store", credentials: "omit", redirect: "error" };
  if (sent["Content-Type"]) init.body = JSON.stringify(body);
  const response = await fetch(new URL(path.replace(/^\//, ""), ROOT), init).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "service-unreachable", detail: "The service does not answer." });
  });
  if (response.ok || response.status === 304) return response;
  throw await problemOf(response);
}

async function problemOf(response) {
  const fallback = { code: `status-${response.status}`, detail: `The service answered ${response.status}.` };
  const document = await response.json().catch(() => fallback);
  const problem = new Problem(response.status, { ...fallback, ...document });
  if (response.status === 401) globalThis.dispatchEvent(new CustomEvent("token-refused", { detail: problem }));
  return problem;
}

/** One call; answers its parsed JSON, or null where there is no body. */
export async function call(method, path, body, options = {}) {
  const response = await send(method, path, { ...options, body });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** A GET that asks only whether something changed: `{value, changed}`. */
export async function changed(path) {
  const known = remembered.get(path);
  const headers = known ? { "If-None-Match": known.etag } : {};
  const response = await send("GET", path, { headers });
  if (response.status === 304) return { value: known.value, changed: false };
  const value = await response.json();
  const etag = response.headers.get("ETag");
  if (etag) remembered.set(path, { etag, value });
  return { value, changed: true };
}

/** The lines of a response as they come. */
async function* linesOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split(/\r?\n/);
      rest = lines.pop();
      yield* lines;
    }
    if (rest) yield rest;
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** The documents of an NDJSON answer as they come. */
export async function* documents(path, body, signal) {
  const response = await send("POST", path, { body, signal, headers: { Accept: "application/x-ndjson" } });
  for await (const line of linesOf(response)) {
    if (line.trim()) yield JSON.parse(line);
  }
}

/** The messages of an event stream (WHATWG, server-sent events): `{id, event, data}`; a comment is a `heartbeat`. */
export async function* events(path, lastEventId, signal) {
  const headers = { Accept: "text/event-stream" };
  if (lastEventId) headers["Last-Event-ID"] = lastEventId;
  const response = await send("GET", path, { headers, signal });
  yield { event: "open" };
  let message = { data: [] };
  for await (const line of linesOf(response)) {
    if (line === "") {
      if (message.data.length) yield { ...message, data: message.data.join("\n") };
      message = { id: message.id, data: [] };
      continue;
    }
    const colon = line.indexOf(":");
    if (colon === 0) {
      yield { event: "heartbeat" };
      continue;
    }
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") message.data.push(value);
    else if (field === "id" || field === "event") message[field] = value;
  }
}
