-- Up to when a member has read the channel; without it, up to when they joined.
ALTER TABLE memberships ADD COLUMN read_until TIMESTAMP;
