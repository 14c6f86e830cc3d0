-- What each subscriber has applied: a delivery that comes again finds itself here.
CREATE TABLE sarsen_inbox (
    subscriber TEXT NOT NULL,
    event UUID NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (subscriber, event)
);
CREATE INDEX sarsen_inbox_at ON sarsen_inbox (at);

-- Which generation of a projection is live, and which is being built beside it.
CREATE TABLE sarsen_projections (
    name TEXT PRIMARY KEY,
    form TEXT NOT NULL,
    generation BIGINT NOT NULL,
    building BIGINT
);
