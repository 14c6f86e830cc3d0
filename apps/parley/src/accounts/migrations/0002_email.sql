-- Where mail goes: nobody else sees the address, and it need not be unique. `mention_mails` is whether mentions are mailed.
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN mention_mails BOOLEAN NOT NULL DEFAULT TRUE;
