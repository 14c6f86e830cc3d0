-- What names, causes and errors are, each once; rows speak of them by number.
CREATE TABLE sarsen_insight_keys (
    id BIGINT NOT NULL PRIMARY KEY,
    sort BIGINT NOT NULL,
    facts TEXT NOT NULL,
    used_at BIGINT NOT NULL
);

-- What a process did in a minute, or in an hour. The minute at hand is written over as it grows.
CREATE TABLE sarsen_insight_frames (
    began_at BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    roles TEXT NOT NULL,
    process BIGINT NOT NULL,
    build TEXT NOT NULL,
    packed BLOB NOT NULL,
    PRIMARY KEY (began_at, seconds, roles, process)
);

CREATE TABLE sarsen_insight_samples (
    id TEXT NOT NULL PRIMARY KEY,
    began_at BIGINT NOT NULL,
    operation BIGINT NOT NULL,
    reason BIGINT NOT NULL,
    wall BIGINT NOT NULL,
    packed BLOB NOT NULL
);
CREATE INDEX sarsen_insight_samples_by_time ON sarsen_insight_samples (began_at);
CREATE INDEX sarsen_insight_samples_by_operation ON sarsen_insight_samples (operation, wall);

CREATE TABLE sarsen_insight_errors (
    id BIGINT NOT NULL PRIMARY KEY,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    sample TEXT NOT NULL
);
CREATE INDEX sarsen_insight_errors_by_time ON sarsen_insight_errors (last_at);

-- What Operations cost under each build, added up.
CREATE TABLE sarsen_insight_builds (
    build TEXT NOT NULL,
    operation BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    counted BIGINT NOT NULL,
    cpu BIGINT NOT NULL,
    queries BIGINT NOT NULL,
    allocated BIGINT NOT NULL,
    wall BIGINT NOT NULL,
    PRIMARY KEY (build, operation)
);
CREATE INDEX sarsen_insight_builds_by_time ON sarsen_insight_builds (seen_at);
