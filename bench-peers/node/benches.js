// The benches, the same for every queue; bench-peers/src/jobs/benches.rs is their twin.

import { Effects } from "./effects.js";

/** Enqueued by each client before the clock starts, so that every connection is there. */
const WARM_UP = 2;
/** In one call. */
const BULK = 1000;
/** After so long without a job, the worker stands still. */
const STALL_MS = 20_000;
/** How long the last acknowledgements may take. */
const SETTLE_MS = 30_000;
/** How long one job may take to start on an idle worker. */
const START_MS = 35_000;
/** Jobs that start before the samples. */
const FIRST_STARTS = 5;

const seconds = (since) => (performance.now() - since) / 1000;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Single jobs of `concurrency` clients at once. */
export async function enqueue(engine, { count, concurrency }) {
  let number = 0;
  const client = async (until) => {
    while (number < until) await engine.enqueue(number++);
  };
  const clients = (until) => Promise.all(Array.from({ length: concurrency }, () => client(until)));
  const before = WARM_UP * concurrency;
  await clients(before);
  const since = performance.now();
  await clients(before + count);
  const took = seconds(since);
  await expectWaiting(engine, before + count);
  return { rate: count / took };
}

/** A thousand jobs in each call, one call after another. */
export async function enqueueBulk(engine, { count }) {
  const since = performance.now();
  for (let from = 0; from < count; from += BULK) {
    const length = Math.min(BULK, count - from);
    await engine.enqueueMany(Array.from({ length }, (_, index) => from + index));
  }
  const took = seconds(since);
  await expectWaiting(engine, count);
  return { rate: count / took };
}

/** Runs the first `count` of the `waiting` jobs, or as many as there is time for. */
export async function drain(engine, { count, waiting, concurrency, seconds: limit }) {
  const effects = new Effects(waiting);
  const before = await engine.unfinished();
  const since = performance.now();
  const worker = await engine.work(concurrency, (number) => effects.run(number));
  let last = { ran: 0, at: since };
  while (effects.ran < count && seconds(since) < limit) {
    await pause(5);
    if (effects.ran > last.ran) last = { ran: effects.ran, at: performance.now() };
    if (performance.now() - last.at > STALL_MS) throw new Error(await stalled(engine, effects, before, count));
  }
  const ran = Math.min(effects.ran, count);
  if (ran === 0) throw new Error(`ran none of ${count} jobs in ${limit} s`);
  const took = (effects.times[ran - 1] - since) / 1000;
  await settled(engine, effects, before, ran);
  await worker.stop();
  if (effects.again > 0) console.error(`${effects.again} jobs ran more than once`);
  return { rate: ran / took, ran };
}

async function stalled(engine, effects, before, count) {
  const done = before - (await engine.unfinished());
  return `ran ${effects.ran} of ${count} jobs, acknowledged ${done}, then stood still for ${STALL_MS / 1000} s`;
}

/** What ran must be acknowledged in the store too. */
async function settled(engine, effects, before, ran) {
  const since = performance.now();
  let done = 0;
  while (performance.now() - since < SETTLE_MS) {
    done = before - (await engine.unfinished());
    if (done >= ran) return;
    await pause(100);
  }
  throw new Error(`ran ${effects.ran} jobs, but acknowledged only ${done} of ${ran} in ${SETTLE_MS / 1000} s`);
}

/** From the call that enqueues a job to its first line, on a worker that has nothing else to do. */
export async function startIdle(engine, { count, concurrency, seconds: limit }) {
  const effects = new Effects(count + FIRST_STARTS);
  const worker = await engine.work(concurrency, (number) => effects.run(number));
  await pause(1000);
  const since = performance.now();
  const samples = [];
  for (let number = 0; number < count + FIRST_STARTS && seconds(since) < limit; number += 1) {
    const called = performance.now();
    await engine.enqueue(number);
    const started = await effects.start(number, START_MS);
    if (started === undefined) throw new Error(`an idle worker did not start a job within ${START_MS / 1000} s`);
    if (number >= FIRST_STARTS) samples.push(started - called);
    await pause(20 + Math.random() * 30);
  }
  await worker.stop();
  if (samples.length === 0) throw new Error(`started fewer than ${FIRST_STARTS + 1} jobs in ${limit} s`);
  samples.sort((left, right) => left - right);
  const percentile = (percent) => samples[Math.min(samples.length - 1, Math.floor((samples.length * percent) / 100))];
  return { p50: percentile(50), p99: percentile(99), samples: samples.length };
}

async function expectWaiting(engine, expected) {
  const found = await engine.unfinished();
  if (found !== expected) throw new Error(`enqueued ${expected} jobs, but the store has ${found}`);
}
