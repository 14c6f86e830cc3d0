-- What the messages of topics need beside the log: up to where they were removed from it, and the id by which a client knows
-- that its positions are positions of this log.
CREATE TABLE sarsen_realtime (
    what TEXT PRIMARY KEY,
    pos BIGINT NOT NULL DEFAULT 0,
    text TEXT NOT NULL DEFAULT ''
);
-- A client that comes back asks for one topic; appending anything else costs nothing.
CREATE INDEX sarsen_log_topics ON sarsen_log (key, pos) WHERE name = 'realtime';
