-- A reply names the first message of its thread. `revision` is the place of a message's last change in its channel.
CREATE TABLE messages (
    seq SERIAL_KEY,
    id UUID NOT NULL UNIQUE,
    channel_id UUID NOT NULL,
    author_id UUID NOT NULL,
    text TEXT NOT NULL,
    posted_at TIMESTAMP NOT NULL,
    edited_at TIMESTAMP,
    deleted BOOLEAN NOT NULL,
    thread_id UUID,
    reply_count BIGINT NOT NULL,
    last_reply_at TIMESTAMP,
    nonce TEXT,
    revision BIGINT NOT NULL,
    UNIQUE (author_id, nonce)
);

CREATE INDEX messages_history ON messages (channel_id, posted_at, id) WHERE thread_id IS NULL;
CREATE INDEX messages_thread ON messages (thread_id, posted_at, id);
CREATE INDEX messages_changes ON messages (channel_id, revision);

-- The newest revision of each channel. A write locks its row until it commits, so revisions commit in order.
CREATE TABLE heads (
    channel_id UUID PRIMARY KEY,
    revision BIGINT NOT NULL
);

CREATE TABLE reactions (
    message_id UUID NOT NULL REFERENCES messages (id),
    emoji TEXT NOT NULL,
    user_id UUID NOT NULL,
    at TIMESTAMP NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
);

CREATE TABLE mentions (
    user_id UUID NOT NULL,
    message_id UUID NOT NULL REFERENCES messages (id),
    posted_at TIMESTAMP NOT NULL,
    PRIMARY KEY (message_id, user_id)
);

CREATE INDEX mentions_user ON mentions (user_id, posted_at, message_id);
