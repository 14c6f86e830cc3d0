-- Jobs. Times are microseconds since 1970, by the clock of the application.
-- Live jobs only; the states are 0 available, 1 scheduled, 2 retryable, 3 running, 4 waiting for another job.
CREATE TABLE sarsen_jobs (
    id UUID PRIMARY KEY,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    state BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    -- The place within its key, where the order of keys counts.
    seq BIGINT NOT NULL DEFAULT 0,
    job_key TEXT NOT NULL DEFAULT '',
    attempt BIGINT NOT NULL DEFAULT 0,
    max_attempts BIGINT NOT NULL,
    crashes BIGINT NOT NULL DEFAULT 0,
    -- Raised by each claim: who settles must still hold it.
    lease BIGINT NOT NULL DEFAULT 0,
    worker UUID,
    claimed_at BIGINT,
    enqueued_at BIGINT NOT NULL,
    deadline BIGINT,
    -- 1 unique, 2 of a batch, 4 others wait for it, 8 encrypted, 16 cancelled, 32 nothing is kept, 64 unique while waiting,
    -- 128 has begun (said by those that a process may die of).
    flags BIGINT NOT NULL DEFAULT 0,
    batch UUID,
    after_job UUID,
    trace TEXT NOT NULL DEFAULT '',
    progress TEXT,
    args BLOB NOT NULL
);
CREATE INDEX sarsen_jobs_ready ON sarsen_jobs (queue, priority, run_at, id) WHERE state = 0;
CREATE INDEX sarsen_jobs_ready_key ON sarsen_jobs (queue, job_key, priority, run_at, id) WHERE state = 0 AND job_key <> '';
CREATE INDEX sarsen_jobs_due ON sarsen_jobs (run_at) WHERE state IN (1, 2);
-- Few at any time, so whoever asks for those of a worker reads all of them.
CREATE INDEX sarsen_jobs_running ON sarsen_jobs (queue, job_key) WHERE state = 3;
CREATE INDEX sarsen_jobs_waiting ON sarsen_jobs (after_job) WHERE state = 4;
-- Only jobs whose order counts have a place.
CREATE INDEX sarsen_jobs_order ON sarsen_jobs (queue, job_key, seq) WHERE seq > 0;

-- Jobs that have ended: 0 completed, 1 cancelled, 2 discarded (the dead letters, which keep their arguments).
CREATE TABLE sarsen_job_history (
    id UUID PRIMARY KEY,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    outcome BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    job_key TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    crashes BIGINT NOT NULL,
    claimed_at BIGINT,
    enqueued_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    batch UUID,
    trace TEXT NOT NULL,
    progress TEXT,
    args BLOB NOT NULL
);
CREATE INDEX sarsen_job_history_ended ON sarsen_job_history (outcome, finished_at);

-- What went wrong, at which attempt.
CREATE TABLE sarsen_job_errors (
    job UUID NOT NULL,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (job, attempt)
);
CREATE INDEX sarsen_job_errors_at ON sarsen_job_errors (at);

CREATE TABLE sarsen_job_unique (
    unique_key TEXT PRIMARY KEY,
    job UUID NOT NULL,
    -- Until when it holds whatever becomes of the job; the greatest number is for as long as the job lives.
    until BIGINT NOT NULL
);
CREATE INDEX sarsen_job_unique_job ON sarsen_job_unique (job);
CREATE INDEX sarsen_job_unique_until ON sarsen_job_unique (until);

CREATE TABLE sarsen_job_queues (
    name TEXT PRIMARY KEY,
    paused BIGINT NOT NULL DEFAULT 0,
    -- The key that was served last, where keys take turns.
    served TEXT NOT NULL DEFAULT ''
);

-- Where the order of keys counts: the place that was given last. Its row is the lock that makes places rise as commits do.
CREATE TABLE sarsen_job_orders (
    queue TEXT NOT NULL,
    job_key TEXT NOT NULL,
    last BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (queue, job_key)
);
CREATE INDEX sarsen_job_orders_used_at ON sarsen_job_orders (used_at);

-- Token buckets: `QUEUE` or `QUEUE KEY`.
CREATE TABLE sarsen_job_rates (
    name TEXT PRIMARY KEY,
    tokens DOUBLE NOT NULL,
    filled_at BIGINT NOT NULL
);
CREATE INDEX sarsen_job_rates_filled_at ON sarsen_job_rates (filled_at);

CREATE TABLE sarsen_job_batches (
    id UUID PRIMARY KEY,
    total BIGINT NOT NULL,
    pending BIGINT NOT NULL,
    failed BIGINT NOT NULL DEFAULT 0,
    completion UUID,
    created_at BIGINT NOT NULL
);

-- Processes that work; `beats` rises while they live.
CREATE TABLE sarsen_workers (
    id UUID PRIMARY KEY,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    version TEXT NOT NULL,
    queues TEXT NOT NULL,
    beats BIGINT NOT NULL DEFAULT 0,
    settled BIGINT NOT NULL DEFAULT 0,
    running BIGINT NOT NULL DEFAULT 0,
    started_at BIGINT NOT NULL,
    beat_at BIGINT NOT NULL
);

CREATE TABLE sarsen_schedules (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    cron TEXT NOT NULL,
    zone TEXT NOT NULL,
    next_at BIGINT NOT NULL,
    last_at BIGINT,
    paused BIGINT NOT NULL DEFAULT 0
);
