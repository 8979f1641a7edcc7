-- Version 2: transactions that go on where they were, also after a restart of the daemon
-- (RFC 1845).  In the index before the first durable octet of their blob is.

CREATE TABLE checkpoint (
    key TEXT PRIMARY KEY,                    -- digest of what only its sender can know
    kind TEXT NOT NULL CHECK (kind IN ('push', 'upload')),
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    message_id TEXT NOT NULL,                -- what the 250 will call it
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    size INTEGER,                            -- octets of the message as declared
    body TEXT NOT NULL,                      -- BODY of the MAIL command
    head BLOB NOT NULL,                      -- octets in front of the blob
    ours INTEGER NOT NULL,                   -- how many of them we have written ourselves
    blob_id INTEGER REFERENCES blob ON DELETE CASCADE,
    final_reply TEXT,                        -- the 250 that was given, to be given again
    lifetime REAL NOT NULL,                  -- seconds it is kept after it last grew
    created REAL NOT NULL,
    touched REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX checkpoint_by_account ON checkpoint (account_id, touched);
CREATE INDEX checkpoint_by_age ON checkpoint (touched);
CREATE INDEX checkpoint_by_blob ON checkpoint (blob_id);
