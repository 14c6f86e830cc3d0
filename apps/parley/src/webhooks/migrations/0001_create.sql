-- Where messages of a channel are sent. `events` are names with commas between them.
CREATE TABLE webhooks (
    id UUID PRIMARY KEY,
    channel_id UUID NOT NULL,
    owner_id UUID NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    -- Deliveries in a row that failed for good.
    failures BIGINT NOT NULL,
    disabled_at TIMESTAMP,
    disabled_reason TEXT
);

CREATE INDEX webhooks_channel ON webhooks (channel_id, id);

-- One for each event and webhook; `status` is waiting, delivered or failed.
CREATE TABLE webhook_deliveries (
    id UUID PRIMARY KEY,
    webhook_id UUID NOT NULL,
    event_id UUID NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    error TEXT,
    created_at TIMESTAMP NOT NULL,
    tried_at TIMESTAMP
);

CREATE INDEX webhook_deliveries_recent ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (created_at);

-- Where programs post messages. `bot_id` is the user they post as; the window is that of the rate limit.
CREATE TABLE incoming_hooks (
    id UUID PRIMARY KEY,
    channel_id UUID NOT NULL,
    owner_id UUID NOT NULL,
    bot_id UUID NOT NULL,
    name TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    used_at TIMESTAMP,
    window_at TIMESTAMP NOT NULL,
    window_count BIGINT NOT NULL
);

CREATE INDEX incoming_hooks_channel ON incoming_hooks (channel_id, id);
