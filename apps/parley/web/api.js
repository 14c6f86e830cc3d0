// Talks to the server: JSON in and out, problems as errors, nothing waits for ever.

const TIMEOUT_MS = 15000;
let signedOut = () => {};

/** Registers what happens when the session is over. */
export function onSignedOut(run) {
  signedOut = run;
}

/** A request that failed. `status` is 0 when no answer came; `fields` has the message for each field. */
export class Problem extends Error {
  constructor(status, body = {}) {
    super(body.detail || body.title || "Something went wrong");
    this.name = "Problem";
    this.status = status;
    this.hint = body.hint;
    this.trace = body.trace_id;
    this.retryAfter = body.retryAfter;
    this.fields = {};
    for (const { field, message } of body.errors || []) this.fields[field.replace(/^\//, "")] ??= message;
  }

  /** Whether trying again later may help. */
  get temporary() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

async function request(method, path, body, { quiet = false, plain = false, keepalive = false } = {}) {
  const options = { method, keepalive, headers: { accept: "application/json" }, credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  let text;
  try {
    answer = await fetch(path, options);
    text = answer.status === 204 ? "" : await answer.text();
  } catch (error) {
    const slow = error?.name === "TimeoutError";
    throw new Problem(0, { detail: slow ? "The server took too long to answer." : "The server cannot be reached. Check your connection." });
  }
  if (answer.ok && plain) return text;
  const value = decode(text);
  if (answer.ok) return value;
  if (answer.status === 401 && !quiet) signedOut();
  throw new Problem(answer.status, { title: `The server answered ${answer.status}.`, ...value, retryAfter: Number(answer.headers.get("retry-after")) || 0 });
}

function decode(text) {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Joins a path and its query, leaving out what is not given. */
export function query(path, values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export const get = (path, options) => request("GET", path, undefined, options);
/** What is no JSON, such as a table. */
export const getText = (path) => request("GET", path, undefined, { plain: true });
export const post = (path, body = {}, options) => request("POST", path, body, options);
export const patch = (path, body) => request("PATCH", path, body);
/** What is small and should arrive even when the window closes. */
export const put = (path, body) => request("PUT", path, body, { keepalive: true });
export const remove = (path, options) => request("DELETE", path, undefined, options);

/** Sends a file and says how much of it is there, from 0 to 1: `fetch` does not tell. It takes as long as it takes. */
export function upload(path, file, onProgress) {
  const sending = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    const fail = (status, body) => reject(new Problem(status, body));
    sending.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress(event.total ? event.loaded / event.total : 1));
    sending.addEventListener("error", () => fail(0, { detail: "The connection broke while the file was sent." }));
    sending.addEventListener("abort", () => fail(0, { detail: "You stopped it." }));
    sending.addEventListener("load", () => {
      const value = decode(sending.responseText);
      if (sending.status === 201) return resolve(value);
      if (sending.status === 401) signedOut();
      fail(sending.status, { title: `The server answered ${sending.status}.`, ...value });
    });
  });
  sending.open("POST", path);
  sending.setRequestHeader("accept", "application/json");
  // Not what the browser thinks that it is: the server looks at the bytes.
  sending.setRequestHeader("content-type", "application/octet-stream");
  sending.send(file);
  return { done, cancel: () => sending.abort() };
}
