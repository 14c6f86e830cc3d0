-- What somebody asked to have counted. Days are written 2026-01-05; both ends are counted.
CREATE TABLE reports (
    id UUID PRIMARY KEY,
    owner_id UUID NOT NULL,
    job_id UUID NOT NULL,
    first_day TEXT NOT NULL,
    last_day TEXT NOT NULL,
    zone TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    messages BIGINT,
    error TEXT
);

CREATE INDEX reports_owner ON reports (owner_id, id);
CREATE INDEX reports_job ON reports (job_id);

-- The counts, apart from what lists need.
CREATE TABLE report_files (
    report_id UUID PRIMARY KEY,
    csv TEXT NOT NULL
);

-- Who wants one every week.
CREATE TABLE report_subscribers (
    user_id UUID PRIMARY KEY,
    since TIMESTAMP NOT NULL
);
