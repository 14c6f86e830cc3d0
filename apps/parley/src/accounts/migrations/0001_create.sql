-- `handle` finds a person by the lowered username, somebody imported by the exact nick; `searched` is lowered text.
CREATE TABLE users (
    id UUID PRIMARY KEY,
    handle TEXT NOT NULL,
    username TEXT NOT NULL,
    display_name TEXT NOT NULL,
    about TEXT NOT NULL,
    searched TEXT NOT NULL,
    password TEXT,
    imported BOOLEAN NOT NULL,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (handle, imported)
);

CREATE TABLE tokens (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_at TIMESTAMP NOT NULL,
    used_at TIMESTAMP
);

CREATE INDEX tokens_user ON tokens (user_id, id);
