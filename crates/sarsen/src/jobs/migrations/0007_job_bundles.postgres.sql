-- Jobs that a worker took all at once. Their own rows stay as they were, so of jobs whose lease is 0 and whose state is 0 those
-- that a bundle names are at work. Only jobs that nobody had taken before are taken so: a lease of 0 never comes again.
CREATE TABLE sarsen_job_bundles (
    id UUID PRIMARY KEY,
    worker UUID NOT NULL,
    queue TEXT NOT NULL,
    claimed_at BIGINT NOT NULL,
    jobs UUID[] NOT NULL
);
-- Ids do not compress, and rows live for moments.
ALTER TABLE sarsen_job_bundles ALTER jobs SET STORAGE EXTERNAL;
ALTER TABLE sarsen_job_bundles SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE VIEW sarsen_job_bundled AS
    SELECT id AS bundle, worker, queue, claimed_at, UNNEST(jobs) AS job FROM sarsen_job_bundles;
