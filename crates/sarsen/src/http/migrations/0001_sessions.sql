-- Who is signed in. Only hashes of the secrets are kept, so reading this table signs nobody in.
CREATE TABLE sarsen_sessions (
    id UUID PRIMARY KEY,
    subject UUID NOT NULL,
    token BLOB NOT NULL,
    previous BLOB,
    user_agent TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    seen_at TIMESTAMP NOT NULL,
    rotated_at TIMESTAMP NOT NULL
);
CREATE INDEX sarsen_sessions_subject ON sarsen_sessions (subject);
CREATE INDEX sarsen_sessions_seen_at ON sarsen_sessions (seen_at);
