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

/** An error as the API gives it: {status, code, message, param}. */
export class ApiError extends Error {
  constructor(status, error) {
    super(error?.message ?? `HTTP ${status}`);
    Object.assign(this, { status, code: error?.code ?? "other", param: error?.param });
  }
}

/** The error of getUserMedia: without a microphone, or with one in use, there is nothing to allow. */
export function unheard({ name, message }) {
  const none = name === "NotFoundError" || name === "NotReadableError";
  return new ApiError(0, { code: none ? "no_microphone" : "microphone", message });
}

/** Throws for what a header cannot carry. */
function authorization() {
  if (/[^\x21-\x7e]/.test(key())) throw new ApiError(0, { code: "invalid_api_key", message: "A key is one word of ASCII characters." });
  return key() ? { authorization: `Bearer ${key()}` } : {};
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** JSON in, JSON out; an answer's status and headers beside its body. */
export async function call(path, options = {}) {
  const headers = { ...authorization(), ...options.headers };
  let answer;
  try {
    answer = await fetch(base + path, { ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : new ApiError(0, { code: "network", message: "" });
  }
  const text = await answer.text();
  if (!answer.ok) throw new ApiError(answer.status, parsed(text)?.error);
  return { status: answer.status, body: parsed(text) ?? text, headers: answer.headers };
}

/** Events of a stream whose text grows: feed what there is so far, get what is new. */
export class Events {
  #read = 0;

  feed(text) {
    const events = [];
    for (let end = text.indexOf("\n\n", this.#read); end >= 0; end = text.indexOf("\n\n", this.#read)) {
      const frame = text.slice(this.#read, end);
      this.#read = end + 2;
      if (frame.startsWith("data: ")) events.push(JSON.parse(frame.slice(6)));
    }
    return events;
  }
}

/** Uploads a form with progress. `hear(event)` gets each event of a streamed answer. */
export function upload(form, { sent, hear, signal }) {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers();
  const request = new XMLHttpRequest();
  const events = new Events();
  const streamed = () => request.getResponseHeader("content-type")?.startsWith("text/event-stream");
  const take = () => {
    for (const event of events.feed(request.responseText)) {
      if (event.error) reject(new ApiError(request.status, event.error));
      else hear(event);
    }
  };
  request.upload.onprogress = (event) => sent(event.loaded / event.total);
  request.upload.onload = () => sent(1);
  request.onprogress = () => streamed() && take();
  request.onerror = () => reject(new ApiError(0, { code: "network", message: "" }));
  request.onabort = () => reject(new DOMException("", "AbortError"));
  request.onload = () => {
    if (request.status >= 400) reject(new ApiError(request.status, parsed(request.responseText)?.error));
    if (streamed()) take();
    const ignored = request.getResponseHeader("x-compat-ignored");
    const road = request.getResponseHeader("x-compat-road");
    resolve({ status: request.status, body: parsed(request.responseText), ignored, road });
  };
  signal.addEventListener("abort", () => request.abort());
  request.open("POST", `${base}/audio/transcriptions`);
  for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
  request.send(form);
  return promise;
}
