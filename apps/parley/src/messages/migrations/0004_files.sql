-- Files: first of who uploaded them, then of a message. What is in them is kept under `blob`.
-- `thumbnail` is none, waiting, ready or failed; `note` says why there is none.
CREATE TABLE files (
    id UUID PRIMARY KEY,
    channel_id UUID NOT NULL,
    uploader_id UUID NOT NULL,
    message_id UUID REFERENCES messages (id),
    name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    uploaded_at TIMESTAMP NOT NULL,
    blob TEXT NOT NULL,
    width BIGINT,
    height BIGINT,
    thumbnail TEXT NOT NULL,
    thumbnail_blob TEXT,
    tries BIGINT NOT NULL,
    note TEXT NOT NULL
);

CREATE INDEX files_message ON files (message_id, id);
CREATE INDEX files_pending ON files (uploader_id, uploaded_at) WHERE message_id IS NULL;
