-- The index of messages by their words; its rows are messages by `seq`.
CREATE TABLE message_search (id BIGINT PRIMARY KEY, place TEXT NOT NULL, terms TSVECTOR NOT NULL);

CREATE INDEX message_search_terms ON message_search USING GIN (terms) WITH (fastupdate = off);
