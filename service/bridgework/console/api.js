/**
 * The service, as the page calls it: the only place that handles the token, problem documents, ETags and streams.
 * EventSource cannot send a token, so event streams are read from fetch.
 *
 * @typedef {{message: string, status: number, remedy: {summary: string} | null, faults: Api["Fault"][]}} Trouble
 *   what the page shows of a failure; a Problem is one
 * @typedef {{event: string, id?: string, data: string}} Message of an event stream
 */
import { Emitter } from "./dom.js";

/** @type {Emitter<{"token-refused": Problem}>} */
export const session = new Emitter();
const KEY = "bridgework-token";
const ROOT = new URL(".", document.baseURI);
/** @type {Map<string, {etag: string, value: any}>} */
const remembered = new Map();

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (/** @type {string} */ text) => sessionStorage.setItem(KEY, text),
  forget: () => {
    sessionStorage.removeItem(KEY);
    remembered.clear();
  },
};

/** A problem document (RFC 9457). When the service does not answer, the page makes one, with status 0. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {Partial<Api["Problem"]> & {code: string, detail: string}} document
   */
  constructor(status, document) {
    super(document.detail);
    this.status = status;
    this.code = document.code;
    this.remedy = document.remedy ?? null;
    this.faults = document.errors ?? [];
  }
}

/**
 * Send a request. Returns the Response of a success or of a 304; throws a Problem for every other answer.
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 */
async function send(method, path, { body, headers = {}, signal } = {}) {
  const hasBody = body !== undefined && body !== null;
  /** @type {RequestInit} */
  const init = {
    method,
    headers: { Authorization: `Bearer ${token.get()}`, ...(hasBody && { "Content-Type": "application/json" }), ...headers },
    body: hasBody ? JSON.stringify(body) : null,
    signal: signal ?? null,
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
  };
  const response = await fetch(new URL(path.replace(/^\//, ""), ROOT), init).catch(unreachable);
  if (response.ok || response.status === 304) return response;
  throw await problemOf(response);
}

/**
 * A request or the reading of its answer failed: the page aborted it, or the network did.
 * @param {unknown} error
 * @returns {never}
 */
function unreachable(error) {
  if (error instanceof DOMException && error.name === "AbortError") throw error;
  throw new Problem(0, { code: "service-unreachable", detail: "The service does not answer." });
}

/** @param {Response} response */
async function problemOf(response) {
  const fallback = { code: `status-${response.status}`, detail: `The service answered ${response.status}.` };
  const document = await response.json().catch(() => fallback);
  const problem = new Problem(response.status, { ...fallback, ...document });
  if (response.status === 401) session.emit("token-refused", problem);
  return problem;
}

/**
 * Make one call. Returns its parsed JSON, or null where the answer has no body.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export const call = async (method, path, body, options = {}) => (await answered(method, path, body, options)).value;

/**
 * The same with the ETag of the answer, which a later request names in `If-Match`.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {{signal?: AbortSignal, headers?: Record<string, string>}} [options]
 * @returns {Promise<{value: any, etag: string}>}
 */
export async function answered(method, path, body, options = {}) {
  const response = await send(method, path, { ...options, body });
  const text = await response.text().catch(unreachable);
  return { value: text ? JSON.parse(text) : null, etag: response.headers.get("ETag") ?? "" };
}

/**
 * POST, and return the answer as a file of one media type.
 * @param {string} path
 * @param {unknown} body
 * @param {string} type
 * @param {AbortSignal} signal
 */
export async function download(path, body, type, signal) {
  const response = await send("POST", path, { body, signal, headers: { Accept: type } });
  return response.blob().catch(unreachable);
}

/**
 * GET with the ETag of the last answer: `{value, changed}`, where `changed` is false if the answer is the same as before.
 * @param {string} path
 */
export async function changed(path) {
  const known = remembered.get(path);
  const response = await send("GET", path, known && { headers: { "If-None-Match": known.etag } });
  if (known && response.status === 304) return { value: known.value, changed: false };
  const value = JSON.parse(await response.text().catch(unreachable));
  const etag = response.headers.get("ETag");
  if (etag) remembered.set(path, { etag, value });
  return { value, changed: true };
}

/**
 * Yield each line of a response as soon as it is complete.
 * @param {Response} response
 */
async function* linesOf(response) {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split(/\r?\n/);
      rest = lines.pop() ?? "";
      yield* lines;
    }
    if (rest) yield rest;
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/**
 * Yield each document of an NDJSON answer as soon as it is there.
 * @param {string} path
 * @param {unknown} body
 * @param {AbortSignal} signal
 */
export async function* documents(path, body, signal) {
  const response = await send("POST", path, { body, signal, headers: { Accept: "application/x-ndjson" } });
  for await (const line of linesOf(response)) {
    if (line.trim()) yield JSON.parse(line);
  }
}

/**
 * Yield the messages of an event stream (WHATWG, server-sent events). Two come from here: `open` when the service has
 * answered, and `heartbeat` for a comment.
 * @param {string} path
 * @param {string | null} lastEventId
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Message>}
 */
export async function* events(path, lastEventId, signal) {
  const headers = { Accept: "text/event-stream", ...(lastEventId && { "Last-Event-ID": lastEventId }) };
  const response = await send("GET", path, { headers, signal });
  yield { event: "open", data: "" };
  /** @type {string[]} */
  let data = [];
  let event = "message";
  let id = "";
  for await (const line of linesOf(response)) {
    if (line === "") {
      if (data.length) yield { event, id, data: data.join("\n") };
      [event, data] = ["message", []];
      continue;
    }
    const colon = line.indexOf(":");
    if (colon === 0) {
      yield { event: "heartbeat", data: "" };
      continue;
    }
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    else if (field === "event") event = value;
    else if (field === "id") id = value;
  }
}
