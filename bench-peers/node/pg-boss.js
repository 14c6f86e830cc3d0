// pg-boss on PostgreSQL.

import { PgBoss } from "pg-boss";
import pg from "pg";

const QUEUE = "noop";
/** Many jobs in each fetch, without a pause while there are more, and woken by NOTIFY when there are none. */
const TUNED = { batchSize: 1000, burstWhenBatchFull: true };
/** A worker gets its whole batch at once; 2, 4 or 8 workers are no quicker than one. */
const TUNED_WORKERS = 1;

export async function open({ url, tuned }) {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  const boss = new PgBoss({ connectionString: url, max: 50, schedule: false, useListenNotify: tuned });
  boss.on("error", (error) => console.error(error.message));
  await boss.start();
  await boss.createQueue(QUEUE, { notify: tuned });
  return {
    enqueue: (number) => boss.send(QUEUE, { number }),
    enqueueMany: (numbers) => boss.insert(QUEUE, numbers.map((number) => ({ data: { number } }))),
    unfinished: async () => {
      const { rows } = await pool.query("SELECT count(*)::int AS jobs FROM pgboss.job WHERE state < 'completed'");
      return rows[0].jobs;
    },
    work: async (concurrency, job) => {
      const options = tuned ? { ...TUNED, localConcurrency: TUNED_WORKERS } : { localConcurrency: concurrency };
      await boss.work(QUEUE, options, async (jobs) => jobs.forEach(({ data }) => job(data.number)));
      return { stop: () => boss.stop({ graceful: true, timeout: 10_000 }) };
    },
  };
}
