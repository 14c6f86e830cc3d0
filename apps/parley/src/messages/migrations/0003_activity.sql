-- Everything that was posted in a channel in some time, replies too.
CREATE INDEX messages_activity ON messages (channel_id, posted_at, id);
