-- Version 4: progress.  Changes of annotations are numbered, so that a connection that
-- waits for them remembers one number however many there are.

ALTER TABLE account ADD COLUMN metadata_seq INTEGER NOT NULL DEFAULT 0; -- highest given
ALTER TABLE transfer ADD COLUMN rate REAL NOT NULL DEFAULT 0; -- octets a second, moving

ALTER TABLE metadata RENAME TO metadata_before;
CREATE TABLE metadata (
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    mailbox TEXT NOT NULL,                   -- '' is the server (RFC 5464 §3)
    entry TEXT NOT NULL,                     -- lower case, '/private/...'
    value BLOB,                              -- NULL: removed, remembered for a while
    change INTEGER NOT NULL DEFAULT 0,       -- account.metadata_seq when it was written
    PRIMARY KEY (account_id, mailbox, entry)
) WITHOUT ROWID;
INSERT INTO metadata (account_id, mailbox, entry, value)
    SELECT account_id, mailbox, entry, value FROM metadata_before;
DROP TABLE metadata_before;
CREATE INDEX metadata_by_change ON metadata (account_id, change);

CREATE INDEX item_arriving_of ON item (account_id) WHERE sha256 IS NULL;
