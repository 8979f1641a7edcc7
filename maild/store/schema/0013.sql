-- Version 13: content that a rendezvous keeps for a server that stays away.

ALTER TABLE passage ADD COLUMN proof TEXT;       -- SHA-256 of what a push must present
ALTER TABLE passage ADD COLUMN kept TEXT;        -- transfer that brings its content
ALTER TABLE passage ADD COLUMN final_reply TEXT; -- the 250 given for it, to be given again
CREATE INDEX passage_by_proof ON passage (proof) WHERE proof IS NOT NULL;

ALTER TABLE transfer ADD COLUMN away REAL; -- since when no way leads to the recipient's server

-- What a rendezvous keeps belongs to no account of its own.
ALTER TABLE checkpoint RENAME TO checkpoint_before;
CREATE TABLE checkpoint (
    key TEXT PRIMARY KEY,                    -- digest of what only its sender can know
    kind TEXT NOT NULL CHECK (kind IN ('push', 'upload')),
    account_id INTEGER REFERENCES account ON DELETE CASCADE, -- NULL: it is passed on
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
    touched REAL NOT NULL,
    rendering TEXT                           -- of the offer that is redeemed
) WITHOUT ROWID;
INSERT INTO checkpoint (key, kind, account_id, message_id, sender, recipient, size, body,
        head, ours, blob_id, final_reply, lifetime, created, touched, rendering)
    SELECT key, kind, account_id, message_id, sender, recipient, size, body,
        head, ours, blob_id, final_reply, lifetime, created, touched, rendering
    FROM checkpoint_before;
DROP TABLE checkpoint_before;
CREATE INDEX checkpoint_by_account ON checkpoint (account_id, touched);
CREATE INDEX checkpoint_by_age ON checkpoint (touched);
CREATE INDEX checkpoint_by_blob ON checkpoint (blob_id);
CREATE INDEX checkpoint_by_message ON checkpoint (message_id);
CREATE INDEX checkpoint_by_rendering ON checkpoint (rendering)
    WHERE rendering IS NOT NULL;
CREATE INDEX checkpoint_over_of ON checkpoint (account_id, touched)
    WHERE blob_id IS NULL;
CREATE INDEX checkpoint_over ON checkpoint (touched) WHERE blob_id IS NULL;
