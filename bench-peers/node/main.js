// Runs one bench of one job queue and prints one line of JSON: `node main.js PEER BENCH --url URL --count N …`.

import { parseArgs } from "node:util";
import { drain, enqueue, enqueueBulk, startIdle } from "./benches.js";

const BENCHES = { enqueue, "enqueue-bulk": enqueueBulk, drain, "start-idle": startIdle };
const PEERS = { "graphile-worker": "./graphile-worker.js", "pg-boss": "./pg-boss.js", bullmq: "./bullmq.js" };

/** What a peer says when it could not do what was asked. */
function failed(reason) {
  console.log(JSON.stringify({ failed: reason }));
  process.exit(1);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: "string" },
    variant: { type: "string", default: "tuned" },
    /** Jobs to enqueue, to run, or samples to take. */
    count: { type: "string", default: "1000" },
    /** Jobs that wait already; their numbers are 0 and up. */
    waiting: { type: "string", default: "0" },
    concurrency: { type: "string", default: "1" },
    seconds: { type: "string", default: "60" },
  },
});
const [peer, bench] = positionals;
const options = {
  url: values.url,
  tuned: values.variant === "tuned",
  count: Number(values.count),
  waiting: Number(values.waiting),
  concurrency: Number(values.concurrency),
  seconds: Number(values.seconds),
};
process.on("unhandledRejection", (error) => failed(String(error?.stack ?? error)));

if (!PEERS[peer] || !BENCHES[bench]) failed(`there is no bench ${bench} of ${peer}`);
const { open } = await import(PEERS[peer]);
try {
  const engine = await open(options);
  console.log(JSON.stringify(await BENCHES[bench](engine, options)));
  // Pools and timers of an engine may hold the process; the figure is out, so nothing waits for them.
  process.exit(0);
} catch (error) {
  failed(error instanceof Error ? error.message : String(error));
}
