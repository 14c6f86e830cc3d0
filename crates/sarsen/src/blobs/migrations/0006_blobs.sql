-- What is in the store of blobs, or on its way into it or out of it. Times are microseconds since 1970.
-- The states are 0 pending (written, but no transaction has kept it yet), 1 kept, 2 to be deleted.
CREATE TABLE sarsen_blobs (
    key TEXT PRIMARY KEY,
    state BIGINT NOT NULL,
    size BIGINT NOT NULL DEFAULT 0,
    sha256 TEXT NOT NULL DEFAULT '',
    content_type TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    made_at BIGINT NOT NULL,
    -- When the sweep takes one that is not kept.
    due_at BIGINT NOT NULL
);
-- Few at any time: whoever sweeps reads what is due, and the pages for operators count it.
CREATE INDEX sarsen_blobs_due ON sarsen_blobs (due_at) WHERE state <> 1;
-- Whose store it is, and when all of it was looked at.
CREATE TABLE sarsen_blob_stores (
    what TEXT PRIMARY KEY,
    at BIGINT NOT NULL DEFAULT 0,
    text TEXT NOT NULL DEFAULT ''
);
