-- What happened, in the order in which it was committed, and how far each consumer has read.
-- It is only read and removed by position, so that appending costs no other index.
CREATE TABLE sarsen_log (
    pos SERIAL_KEY,
    id UUID NOT NULL,
    at BIGINT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    key TEXT NOT NULL DEFAULT '',
    data TEXT NOT NULL,
    meta TEXT NOT NULL
);
CREATE TABLE sarsen_checkpoints (
    consumer TEXT PRIMARY KEY,
    pos BIGINT NOT NULL
);
