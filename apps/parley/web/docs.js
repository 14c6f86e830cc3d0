// Shows an OpenAPI document: operations by tag, their schemas, and a form that sends the request.

const SOURCE = "/openapi.json";
const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
const DEEPEST = 6;
const host = document.getElementById("docs");
let api = {};

/** Makes an element; text only ever becomes text nodes. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Follows `$ref` inside the document. */
function resolve(value, depth = 0) {
  if (!value?.$ref || depth > 20) return value || {};
  const found = value.$ref.replace(/^#\//, "").split("/").reduce((at, key) => at?.[decodeURIComponent(key).replace(/~1/g, "/").replace(/~0/g, "~")], api);
  return resolve(found, depth + 1);
}

const refName = (value) => value?.$ref?.split("/").at(-1);

/** Every operation with its path, grouped by its first tag or the first part of its path. */
function groups() {
  const known = new Map((api.tags || []).map((tag) => [tag.name, { ...tag, operations: [] }]));
  for (const [path, item] of Object.entries(api.paths || {})) {
    for (const method of METHODS) {
      if (!item[method]) continue;
      const operation = item[method];
      const tag = operation.tags?.[0] || path.split("/").find((part) => part && !/^v\d+$/.test(part) && !part.startsWith("{")) || "other";
      if (!known.has(tag)) known.set(tag, { name: tag, operations: [] });
      known.get(tag).operations.push({ ...operation, method, path, parameters: [...(item.parameters || []), ...(operation.parameters || [])].map((one) => resolve(one)), id: `${method}-${path}`.replace(/[^a-z0-9]+/gi, "-").toLowerCase() });
    }
  }
  return [...known.values()].filter((group) => group.operations.length);
}

/** The short name of a schema's type: "string", "array of Message", "null or uuid". */
function typeOf(schema) {
  if (schema === true || !schema) return "anything";
  if (schema.$ref) return refName(schema);
  const choices = schema.oneOf || schema.anyOf;
  if (choices) return choices.map(typeOf).join(" or ");
  if (schema.allOf) return schema.title || schema.allOf.map(typeOf).join(" and ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const types = [schema.type || (schema.properties ? "object" : "anything")].flat();
  return types.map((type) => (type === "array" ? `array of ${typeOf(schema.items)}` : type === "string" && schema.format ? schema.format : type)).join(" or ");
}

/** What a value must keep to, in words. */
function limits(schema) {
  const says = [["minLength", "at least %s characters"], ["maxLength", "at most %s characters"], ["minimum", "from %s"], ["maximum", "up to %s"], ["minItems", "at least %s items"], ["maxItems", "at most %s items"], ["pattern", "matches %s"], ["default", "%s unless given"]];
  return says.filter(([key]) => schema[key] !== undefined).map(([key, text]) => text.replace("%s", () => typeof schema[key] === "object" ? JSON.stringify(schema[key]) : String(schema[key]))).join(", ");
}

/** The properties of an object schema, with `allOf` merged. */
function properties(schema) {
  const whole = resolve(schema);
  const parts = (whole.allOf || []).map(properties);
  return { properties: Object.assign({}, ...parts.map((part) => part.properties), whole.properties), required: [...parts.flatMap((part) => part.required), ...(whole.required || [])] };
}

/** A schema as a tree that opens level by level. */
function schemaTree(schema, depth = 0, seen = []) {
  const whole = resolve(schema);
  const name = refName(schema);
  if (depth > DEEPEST || (name && seen.includes(name))) return null;
  const inside = name ? [...seen, name] : seen;
  const choices = whole.oneOf || whole.anyOf;
  if (choices) return choices.map((choice) => schemaTree(choice, depth, inside)).filter(Boolean);
  if (whole.items) return schemaTree(whole.items, depth, inside);
  const { properties: fields, required } = properties(whole);
  if (!Object.keys(fields).length) return null;
  return make("ul", { class: "fields" }, Object.entries(fields).map(([key, value]) => {
    const field = resolve(value);
    const line = [make("code", { class: "field-name" }, key), make("span", { class: "type" }, typeOf(value)), required.includes(key) ? make("span", { class: "required" }, "required") : null, make("span", { class: "note" }, [field.description, limits(field)].filter(Boolean).join(" "))];
    const nested = [schemaTree(value, depth + 1, inside)].flat().filter(Boolean);
    return make("li", {}, nested.length ? make("details", { open: depth < 1 && !name }, make("summary", {}, line), nested) : make("div", { class: "line" }, line));
  }));
}

/** A made-up value that fits a schema, to start from. */
function example(schema, depth = 0) {
  const whole = resolve(schema);
  if (whole.example !== undefined) return whole.example;
  if (whole.examples?.length) return whole.examples[0];
  if (whole.default !== undefined) return whole.default;
  if (whole.enum) return whole.enum[0];
  if (whole.const !== undefined) return whole.const;
  const choices = whole.oneOf || whole.anyOf;
  if (choices) return example(choices.find((choice) => resolve(choice).type !== "null") || choices[0], depth + 1);
  const type = [whole.type || (whole.properties || whole.allOf ? "object" : "string")].flat().find((one) => one !== "null");
  if (type === "object") return depth > DEEPEST ? {} : Object.fromEntries(Object.entries(properties(whole).properties).map(([key, value]) => [key, example(value, depth + 1)]));
  if (type === "array") return depth > DEEPEST ? [] : [example(whole.items, depth + 1)];
  if (type === "integer" || type === "number") return whole.minimum ?? 0;
  if (type === "boolean") return false;
  return { uuid: "00000000-0000-0000-0000-000000000000", "date-time": new Date().toISOString(), email: "person@example.com", uri: "https://example.com/" }[whole.format] ?? "";
}

/** The content of a body: its first media type and the schema. */
function contentOf(body) {
  const [type, media] = Object.entries(resolve(body).content || {})[0] || [];
  return type ? { type, schema: media.schema, example: media.example ?? example(media.schema) } : null;
}

function operationView(operation) {
  const body = operation.requestBody && contentOf(operation.requestBody);
  const details = make("details", { class: "operation", id: operation.id, "data-test": "operation" },
    make("summary", {}, make("span", { class: `method ${operation.method}` }, operation.method.toUpperCase()), make("code", { class: "path" }, path(operation.path)), make("span", { class: "title" }, operation.summary || ""), operation.deprecated ? make("span", { class: "required" }, "deprecated") : null));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    details.append(make("div", { class: "operation-body" },
      operation.description && operation.description !== operation.summary ? make("p", { class: "text" }, operation.description) : null,
      operation.parameters.length ? [make("h4", {}, "Parameters"), parameterList(operation.parameters)] : null,
      body ? [make("h4", {}, "Request body ", make("span", { class: "type" }, `${body.type} · ${typeOf(body.schema)}`)), schemaTree(body.schema) || make("p", { class: "note" }, typeOf(body.schema))] : null,
      make("h4", {}, "Responses"), responses(operation), tryIt(operation, body)));
  });
  return details;
}

/** A path whose parameters stand out. */
const path = (text) => text.split(/(\{[^}]+\})/).map((part) => (part.startsWith("{") ? make("span", { class: "variable" }, part) : part));

function parameterList(parameters) {
  return make("ul", { class: "fields" }, parameters.map((parameter) => {
    const schema = resolve(parameter.schema);
    return make("li", {}, make("div", { class: "line" }, make("code", { class: "field-name" }, parameter.name), make("span", { class: "type" }, `${parameter.in} · ${typeOf(parameter.schema || {})}`), parameter.required ? make("span", { class: "required" }, "required") : null, make("span", { class: "note" }, [parameter.description || schema.description, limits(schema)].filter(Boolean).join(" "))));
  }));
}

function responses(operation) {
  return make("div", { class: "responses" }, Object.entries(operation.responses || {}).map(([status, value]) => {
    const response = resolve(value);
    const content = contentOf(response);
    const head = [make("span", { class: `status s${status[0]}` }, status), make("span", {}, response.description || ""), content ? make("span", { class: "type" }, typeOf(content.schema)) : null];
    if (!content) return make("div", { class: "response line" }, head);
    return make("details", { class: "response" }, make("summary", {}, head), make("div", { class: "response-body" }, schemaTree(content.schema), make("p", { class: "label" }, "Example"), make("pre", { tabindex: "0" }, pretty(content.example))));
  }));
}

const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "");

/** The form that sends the request with the cookies of this browser. */
function tryIt(operation, body) {
  const inputs = operation.parameters.filter((parameter) => parameter.in !== "cookie").map((parameter) => {
    const schema = resolve(parameter.schema);
    const id = `${operation.id}-${parameter.in}-${parameter.name}`;
    const input = schema.enum
      ? make("select", { id }, parameter.required ? null : make("option", { value: "" }, "not sent"), schema.enum.map((value) => make("option", { value }, String(value))))
      : make("input", { id, required: parameter.required, placeholder: typeOf(parameter.schema || {}), value: String(parameter.example ?? schema.example ?? ""), autocomplete: "off", spellcheck: "false" });
    return { parameter, input, node: make("div", { class: "try-field" }, make("label", { for: id }, parameter.name, parameter.required ? make("span", { class: "required" }, " *") : null), input) };
  });
  const text = body ? make("textarea", { id: `${operation.id}-body`, rows: String(Math.min(14, pretty(body.example).split("\n").length + 1)), spellcheck: "false", value: pretty(body.example) }) : null;
  const send = make("button", { type: "submit", class: "send", "data-test": "try-send" }, "Send request");
  const answer = make("div", { class: "answer", "aria-live": "polite", "data-test": "try-answer" });
  const form = make("form", { class: "try" }, make("h4", {}, "Try it"), operation.method === "delete" ? make("p", { class: "note" }, "This really deletes.") : null, inputs.map(({ node }) => node),
    text ? make("div", { class: "try-field" }, make("label", { for: text.id }, "Body"), text) : null, make("div", { class: "try-row" }, send, make("span", { class: "note" }, "Sent from this browser, with its session.")), answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    answer.replaceChildren(make("p", { class: "note" }, "Waiting for the answer…"));
    try {
      answer.replaceChildren(...await run(operation, inputs, text, body));
    } catch (error) {
      answer.replaceChildren(make("p", { class: "error" }, error.message));
    }
    send.disabled = false;
  });
  return form;
}

async function run(operation, inputs, text, body) {
  let target = operation.path;
  const query = new URLSearchParams();
  const headers = { accept: "application/json" };
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "" && parameter.in === "query") query.append(parameter.name, input.value);
    else if (input.value !== "" && parameter.in === "header") headers[parameter.name] = input.value;
  }
  if (body) headers["content-type"] = body.type;
  const address = target + (query.size ? `?${query}` : "");
  const started = performance.now();
  const response = await fetch(address, { method: operation.method.toUpperCase(), headers, body: text ? text.value : undefined, credentials: "same-origin" });
  const content = await response.text();
  const took = performance.now() - started;
  return [
    make("div", { class: "line" }, make("span", { class: `status s${String(response.status)[0]}`, "data-test": "try-status" }, String(response.status)), make("strong", {}, response.statusText || ""), make("span", { class: "note" }, `${took.toFixed(took < 10 ? 1 : 0)} ms · ${new Blob([content]).size} bytes`), make("code", { class: "sent" }, `${operation.method.toUpperCase()} ${address}`)),
    make("details", {}, make("summary", {}, "Headers"), make("dl", { class: "headers" }, [...response.headers].map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]))),
    content ? make("pre", { tabindex: "0", "data-test": "try-body" }, parsed(content)) : make("p", { class: "note" }, "The answer has no body."),
  ];
}

function parsed(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Narrows the list and the operations to those that have every word. */
function filtering(list, sections) {
  const input = make("input", { type: "search", class: "filter", placeholder: "Filter operations ( / )", "aria-label": "Filter operations", "data-test": "filter" });
  const none = make("p", { class: "note", hidden: true }, "No operation matches.");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const node of document.querySelectorAll("[data-words]")) node.hidden = !words.every((word) => node.dataset.words.includes(word));
    for (const section of document.querySelectorAll("[data-group]")) section.hidden = ![...section.querySelectorAll("[data-words]")].some((node) => !node.hidden);
    none.hidden = sections.some((section) => !section.hidden);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    input.focus();
  });
  return [input, none, list];
}

const words = (operation, tag) => [operation.method, operation.path, operation.summary, operation.operationId, tag].filter(Boolean).join(" ").toLowerCase();

function draw() {
  const title = api.info?.title || "API";
  document.title = title;
  const known = groups();
  const list = make("nav", { "aria-label": "Operations" }, known.map((group) => make("div", { "data-group": true }, make("h2", {}, group.name), make("ul", {}, group.operations.map((operation) => make("li", { "data-words": words(operation, group.name) }, make("a", { href: `#${operation.id}` }, make("span", { class: `method ${operation.method}` }, operation.method), make("span", { class: "cut" }, operation.summary || operation.path))))))));
  const sections = known.map((group) => make("section", { "data-group": true }, make("h2", {}, group.name), group.description ? make("p", { class: "text" }, group.description) : null, group.operations.map((operation) => {
    const node = operationView(operation);
    node.dataset.words = words(operation, group.name);
    return node;
  })));
  const count = known.reduce((sum, group) => sum + group.operations.length, 0);
  host.replaceChildren(make("div", { class: "frame" },
    make("aside", {}, make("p", { class: "name" }, title), filtering(list, sections)),
    make("main", { id: "operations", tabindex: "-1" }, make("header", {}, make("h1", {}, title, api.info?.version ? make("span", { class: "version" }, api.info.version) : null), api.info?.description ? make("p", { class: "text" }, api.info.description) : null, make("p", { class: "note" }, `${count} operations · `, make("a", { href: SOURCE }, "OpenAPI document"))), sections)));
  addEventListener("hashchange", reveal);
  reveal();
}

/** Opens the operation the address points at. */
function reveal() {
  const node = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!node || node.tagName !== "DETAILS") return;
  node.open = true;
  node.scrollIntoView({ block: "start" });
  node.querySelector("summary").focus({ preventScroll: true });
}

async function start() {
  try {
    const response = await fetch(SOURCE, { headers: { accept: "application/json" } });
    if (!response.ok) throw new Error(`${SOURCE} answered ${response.status}.`);
    api = await response.json();
    draw();
  } catch (error) {
    host.replaceChildren(make("div", { class: "loading" }, make("p", { class: "error" }, `The API description could not be loaded: ${error.message}`), make("button", { type: "button", class: "send", onclick: start }, "Try again")));
  }
}

start();
