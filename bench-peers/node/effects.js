// What the jobs did: which ran, when, and which ran more than once.

/** Each job does nothing but tell its number here. */
export class Effects {
  /** How many different jobs ran. */
  ran = 0;
  /** How many ran another time. */
  again = 0;
  /** When the first, the second … job ran. */
  times;
  #seen;
  #awaited = new Map();

  constructor(jobs) {
    this.times = new Float64Array(jobs);
    this.#seen = new Uint8Array(jobs);
  }

  run(number) {
    if (this.#seen[number] !== 0) {
      if (number < this.#seen.length) this.again += 1;
      return;
    }
    this.#seen[number] = 1;
    const now = performance.now();
    this.times[this.ran] = now;
    this.ran += 1;
    this.#awaited.get(number)?.(now);
  }

  /** When the job started; nothing when it did not within the limit. Ask once for each job, before or after it ran. */
  start(number, limit) {
    if (this.#seen[number] !== 0) return Promise.resolve(this.times[this.ran - 1]);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), limit);
      this.#awaited.set(number, (now) => {
        clearTimeout(timer);
        this.#awaited.delete(number);
        resolve(now);
      });
    });
  }
}
