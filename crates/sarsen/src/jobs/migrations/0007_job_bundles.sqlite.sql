-- Jobs that a worker took all at once. Their own rows stay as they were, so of jobs whose lease is 0 and whose state is 0 those
-- that a bundle names are at work. Only jobs that nobody had taken before are taken so: a lease of 0 never comes again.
CREATE TABLE sarsen_job_bundles (
    id UUID PRIMARY KEY,
    worker UUID NOT NULL,
    queue TEXT NOT NULL,
    claimed_at BIGINT NOT NULL,
    -- An array of JSON: the ids in hex.
    jobs TEXT NOT NULL
);
CREATE VIEW sarsen_job_bundled AS
    SELECT b.id AS bundle, b.worker, b.queue, b.claimed_at, UNHEX(j.value) AS job
    FROM sarsen_job_bundles b, JSON_EACH(b.jobs) j;
