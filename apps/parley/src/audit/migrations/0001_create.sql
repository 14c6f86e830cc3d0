-- Who did what, when, and to what. Nothing here is ever changed.
CREATE TABLE audit_entries (
    id UUID PRIMARY KEY,
    at TIMESTAMP NOT NULL,
    actor_id UUID NOT NULL,
    action TEXT NOT NULL,
    channel_id UUID,
    subject_id UUID
);

CREATE INDEX audit_entries_actor ON audit_entries (actor_id, at, id);
CREATE INDEX audit_entries_channel ON audit_entries (channel_id, at, id);
CREATE INDEX audit_entries_at ON audit_entries (at);
