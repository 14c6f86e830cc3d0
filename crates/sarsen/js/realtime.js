// The client of Sarsen's real time: topics over one WebSocket, that comes back by itself and misses nothing.
//
//   const live = new Realtime();
//   live.subscribe("channel:7", {
//     getState: () => load(),                  // first, and whenever what was missed cannot be given
//     onMessage: (data, { offset }) => apply(data),
//   });
//
// Messages of a topic come in the order of their offsets, each once. `getState` loads from your own server; what is said
// meanwhile is held back and comes after it, so a message may be in the state already: apply it by its own id.
// docs/realtime.md describes the protocol.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30000;
const HELLO_MS = 10000;
const MOST_HELD = 5000;

/** A connection that is opened with the first subscription. */
export class Realtime {
  #options;
  #socket = null;
  #ready = false;
  #failures = 0;
  #after = null;
  #timer = 0;
  #watch = 0;
  #pingMs = 25000;
  #heardAt = 0;
  #closed = false;
  #topics = new Map();
  #onStatus;

  /** `url` is the address of the WebSocket; `onStatus(online)` hears whether the connection stands. */
  constructor({ url = "/live", onStatus = () => {}, WebSocket = globalThis.WebSocket, random = Math.random } = {}) {
    this.#options = { url, WebSocket, random };
    this.#onStatus = onStatus;
    globalThis.addEventListener?.("online", this.#online);
    globalThis.addEventListener?.("offline", this.#offline);
  }

  /** Whether the connection stands. */
  get online() {
    return this.#ready;
  }

  /**
   * Hears a topic until `close` of what is returned is called.
   *
   * `onMessage(data, { offset, key, by })` hears each message, `getState({ topic, first })` loads what there is,
   * `onPresence({ members, joined, left, count })` hears who is there, and `onEnd(problem)` that it is over.
   */
  subscribe(topic, { onMessage = () => {}, getState = null, onPresence = () => {}, onEnd = () => {}, passive = false } = {}) {
    if (this.#topics.has(topic)) throw new Error(`${topic} is heard already`);
    const one = { topic, onMessage, getState, onPresence, onEnd, passive, epoch: null, offset: null, held: null, loaded: false, ever: false, turn: 0, members: new Set() };
    this.#topics.set(topic, one);
    if (this.#ready) this.#ask(one);
    else this.#connect();
    return {
      topic,
      members: one.members,
      publish: (data) => this.#ready && this.#send({ t: "pub", topic, data }),
      close: () => {
        if (this.#topics.get(topic) !== one) return;
        this.#topics.delete(topic);
        one.turn += 1;
        if (this.#ready) this.#send({ t: "unsub", topic });
      },
    };
  }

  /** Ends everything. */
  close() {
    this.#closed = true;
    this.#topics.clear();
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.("online", this.#online);
    globalThis.removeEventListener?.("offline", this.#offline);
    this.#drop();
  }

  #online = () => {
    this.#failures = 0;
    this.#after = null;
    this.#connect();
  };

  #offline = () => this.#lost();

  #connect() {
    if (this.#closed || this.#socket || !this.#topics.size) return;
    clearTimeout(this.#timer);
    const url = new URL(this.#options.url, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    let socket;
    try {
      socket = new this.#options.WebSocket(url.href);
    } catch {
      return this.#lost();
    }
    this.#socket = socket;
    socket.onmessage = (event) => this.#socket === socket && this.#hear(JSON.parse(event.data));
    socket.onclose = () => this.#socket === socket && this.#lost();
    this.#heardAt = Date.now();
    this.#watch = setInterval(() => this.#look(), 1000);
  }

  /** A connection may break without a word: after some silence it is asked, and then given up. */
  #look() {
    const silent = Date.now() - this.#heardAt;
    if (silent > (this.#ready ? this.#pingMs * 2 : HELLO_MS)) this.#lost();
    else if (this.#ready && silent > this.#pingMs) this.#send({ t: "ping" });
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    clearInterval(this.#watch);
    if (socket) socket.onmessage = socket.onclose = null;
    socket?.close();
    if (this.#ready) {
      this.#ready = false;
      this.#onStatus(false);
    }
  }

  /** Comes back after a time by chance, so that not everybody comes back at once. */
  #lost() {
    this.#drop();
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    const wait = this.#after ?? this.#options.random() * most;
    this.#after = null;
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #send(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #ask(one) {
    const message = { t: "sub", topic: one.topic };
    if (one.passive) message.passive = true;
    if (one.loaded && one.epoch !== null) message.since = { epoch: one.epoch, offset: one.offset };
    this.#send(message);
  }

  #hear(message) {
    this.#heardAt = Date.now();
    const one = this.#topics.get(message.topic);
    if (message.t === "hello") {
      this.#ready = true;
      this.#failures = 0;
      this.#pingMs = message.ping_ms;
      for (const each of this.#topics.values()) this.#ask(each);
      this.#onStatus(true);
    } else if (message.t === "reconnect") this.#after = message.after_ms;
    else if (!one) return;
    else if (message.t === "msg") this.#message(one, message);
    else if (message.t === "subscribed") this.#subscribed(one, message);
    else if (message.t === "presence") this.#presence(one, message);
    else if (message.t === "unsubscribed" || message.t === "error") this.#ended(one, message);
  }

  #subscribed(one, message) {
    one.turn += 1;
    if (message.members) {
      one.members.clear();
      for (const member of message.members) one.members.add(member);
    }
    if (message.members || message.count !== undefined) one.onPresence({ members: one.members, joined: [], left: [], count: message.count ?? one.members.size });
    if (message.recovered && one.loaded) {
      // What was missed follows, from where it stood.
      one.epoch = message.epoch ?? null;
      return;
    }
    one.epoch = message.epoch ?? null;
    one.offset = message.offset ?? null;
    one.loaded = false;
    if (!one.getState) {
      one.loaded = true;
      return;
    }
    one.held = [];
    this.#load(one, one.turn, 0);
  }

  /** Loads the state, again and again until it is there; what is said meanwhile waits. */
  async #load(one, turn, failures) {
    try {
      await one.getState({ topic: one.topic, first: !one.ever });
    } catch {
      if (one.turn === turn) setTimeout(() => one.turn === turn && this.#load(one, turn, failures + 1), this.#options.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures + 1)));
      return;
    }
    if (one.turn !== turn) return;
    one.loaded = one.ever = true;
    const held = one.held;
    one.held = null;
    for (const message of held) this.#message(one, message);
  }

  #message(one, message) {
    if (one.held) {
      one.held.push(message);
      if (one.held.length > MOST_HELD) this.#lost();
      return;
    }
    if (message.offset !== undefined) {
      if (one.offset !== null && message.offset <= one.offset) return;
      one.offset = message.offset;
    }
    one.onMessage(message.data, { offset: message.offset, key: message.key, by: message.by });
  }

  #presence(one, { joined = [], left = [], count }) {
    for (const member of joined) one.members.add(member);
    for (const member of left) one.members.delete(member);
    one.onPresence({ members: one.members, joined, left, count: count ?? one.members.size });
  }

  #ended(one, message) {
    if (message.t === "error" && one.loaded) return;
    if (!message.problem) return;
    if (/unavailable|timeout|internal|too-many/.test(message.problem.type)) {
      setTimeout(() => this.#topics.get(one.topic) === one && this.#ready && this.#ask(one), this.#options.random() * LONGEST_WAIT_MS);
      return;
    }
    this.#topics.delete(one.topic);
    one.turn += 1;
    one.onEnd(message.problem);
  }
}
