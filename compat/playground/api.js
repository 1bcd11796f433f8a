// Calls to this server. The key stays in this tab's sessionStorage.

/** A browser's storage, or this page's memory where the browser allows none. */
function storage(name) {
  try {
    return window[name];
  } catch {
    const held = new Map();
    return { getItem: (key) => held.get(key) ?? null, setItem: (key, value) => held.set(key, value), removeItem: (key) => held.delete(key) };
  }
}

export const [forTab, forBrowser] = [storage("sessionStorage"), storage("localStorage")];
export const base = new URL("../v1", import.meta.url).href;
export const key = () => forTab.getItem("key") ?? "";

/** An error as the API gives it: {status, code, message, param}, the id of the request in the server's log, and the seconds
 *  after which to try again. */
export class ApiError extends Error {
  constructor(status, error, id = null, retry = null) {
    super(error?.message ?? "");
    Object.assign(this, { status, code: error?.code ?? "other", param: error?.param, id, retry });
  }
}

/** The error of a refused request, whose headers `header` returns. A refused key opens the dialog for another, but not for a
 *  `quiet` request. */
function refused(status, text, header, quiet = false) {
  if (status === 401 && !quiet) document.dispatchEvent(new Event("unauthorized"));
  const id = header("x-request-id"); // all answers of this server have one
  const proxys = { code: status === 413 ? "proxy_limit" : "proxy" };
  return new ApiError(status, parsed(text)?.error ?? (id ? null : proxys), id, header("retry-after"));
}

/** The error of getUserMedia: without a microphone, or with one in use, there is nothing to allow. */
export function microphoneError({ name, message }) {
  const none = name === "NotFoundError" || name === "NotReadableError";
  return new ApiError(0, { code: none ? "no_microphone" : "microphone", message });
}

/** Throws for what a header cannot carry. */
function authorization() {
  if (/[^\x21-\x7e]/.test(key())) throw new ApiError(0, { code: "key_characters", message: "A key is one word of ASCII characters." });
  return key() ? { authorization: `Bearer ${key()}` } : {};
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Sends a request. Returns {status, text, body: the text as JSON if it is JSON, headers}. */
export async function call(path, { quiet, ...options } = {}) {
  const headers = { ...authorization(), ...options.headers };
  let answer;
  try {
    answer = await fetch(base + path, { ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : new ApiError(0, { code: "network", message: "" });
  }
  const text = await answer.text();
  if (!answer.ok) throw refused(answer.status, text, (name) => answer.headers.get(name), quiet);
  return { status: answer.status, text, body: parsed(text) ?? text, headers: answer.headers };
}

const PROGRESS = ": progress ";

/** Events of a stream whose text grows: feed what there is so far, get what is new. A comment with the progress of a long
 *  file becomes an event of the type "progress". */
export class Events {
  #read = 0;

  feed(text) {
    const events = [];
    for (let end = text.indexOf("\n\n", this.#read); end >= 0; end = text.indexOf("\n\n", this.#read)) {
      const frame = text.slice(this.#read, end);
      this.#read = end + 2;
      if (frame.startsWith("data: ")) events.push(JSON.parse(frame.slice(6)));
      else if (frame.startsWith(PROGRESS)) events.push({ type: "progress", ...JSON.parse(frame.slice(PROGRESS.length)) });
    }
    return events;
  }
}

/** Uploads a form. `sent(bytes, total)` gets its progress, `hear(event)` each event of a streamed answer.
 *  Returns {status, text, body, headers}, as `call`. */
export function upload(path, form, { sent, hear, signal }) {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers();
  const request = new XMLHttpRequest();
  const events = new Events();
  const header = (name) => request.getResponseHeader(name);
  const streamed = () => header("content-type")?.startsWith("text/event-stream");
  const take = () => {
    for (const event of events.feed(request.responseText)) {
      if (event.error) reject(new ApiError(request.status, event.error, header("x-request-id")));
      else hear(event);
    }
  };
  request.upload.onprogress = (event) => sent(event.loaded, event.total);
  request.upload.onload = (event) => sent(event.total, event.total);
  request.onprogress = () => streamed() && take();
  request.onerror = () => reject(new ApiError(0, { code: "network", message: "" }));
  request.onabort = () => reject(new DOMException("", "AbortError"));
  request.onload = () => {
    const text = request.responseText;
    if (request.status >= 400) reject(refused(request.status, text, header));
    if (streamed()) take();
    resolve({ status: request.status, text, body: parsed(text), headers: { get: header } });
  };
  signal.addEventListener("abort", () => request.abort());
  request.open("POST", base + path);
  for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
  request.send(form);
  return promise;
}
