// BullMQ on Redis.

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const QUEUE = "noop";
/** What is done is removed, as the others do or as it would be after a while; nothing else is there to tune. */
const JOB = { removeOnComplete: true };

export async function open({ url }) {
  const connection = () => new Redis(url, { maxRetriesPerRequest: null });
  const queue = new Queue(QUEUE, { connection: connection() });
  await queue.waitUntilReady();
  return {
    enqueue: (number) => queue.add(QUEUE, { number }, JOB),
    enqueueMany: (numbers) => queue.addBulk(numbers.map((number) => ({ name: QUEUE, data: { number }, opts: JOB }))),
    unfinished: async () => {
      const counts = await queue.getJobCounts("waiting", "active", "delayed", "prioritized", "failed");
      return Object.values(counts).reduce((sum, jobs) => sum + jobs, 0);
    },
    work: async (concurrency, job) => {
      const worker = new Worker(QUEUE, async ({ data }) => job(data.number), { connection: connection(), concurrency });
      await worker.waitUntilReady();
      return { stop: () => worker.close() };
    },
  };
}
