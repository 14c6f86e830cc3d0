-- A direct conversation has no name; its `direct_key` is made of its members, so that there is one for each set of people.
CREATE TABLE channels (
    id UUID PRIMARY KEY,
    name TEXT UNIQUE,
    topic TEXT NOT NULL,
    kind TEXT NOT NULL,
    direct_key TEXT UNIQUE,
    created_by UUID NOT NULL,
    created_at TIMESTAMP NOT NULL,
    last_message_at TIMESTAMP
);

CREATE TABLE memberships (
    channel_id UUID NOT NULL REFERENCES channels (id),
    user_id UUID NOT NULL,
    joined_at TIMESTAMP NOT NULL,
    PRIMARY KEY (channel_id, user_id)
);

CREATE INDEX memberships_user ON memberships (user_id, channel_id);
CREATE INDEX memberships_joined ON memberships (channel_id, joined_at, user_id);
CREATE INDEX channels_kind ON channels (kind, id);
