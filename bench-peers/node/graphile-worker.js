// graphile-worker on PostgreSQL.

import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";

/** Only what a person must see. */
const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

/** As its page on performance advises: jobs are fetched and completed in batches, here as many as the others have. */
const TUNED = { localQueue: { size: 1000 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

export async function open({ url, tuned }) {
  const pgPool = new pg.Pool({ connectionString: url, max: 50 });
  pgPool.on("error", (error) => console.error(error.message));
  pgPool.on("connect", (client) => client.on("error", (error) => console.error(error.message)));
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  return {
    enqueue: (number) => utils.addJob("noop", { number }),
    enqueueMany: (numbers) =>
      utils.addJobs(numbers.map((number) => ({ identifier: "noop", payload: { number } }))),
    /** A job that is done is deleted. */
    unfinished: async () => {
      const { rows } = await pgPool.query("SELECT count(*)::int AS jobs FROM graphile_worker.jobs");
      return rows[0].jobs;
    },
    work: (concurrency, job) =>
      run({
        pgPool,
        logger,
        concurrency,
        noHandleSignals: true,
        taskList: { noop: ({ number }) => job(number) },
        preset: tuned ? { worker: TUNED } : undefined,
      }),
  };
}
