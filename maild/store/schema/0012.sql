-- Version 12: versions.  An item that is replaced keeps its id; what it was becomes an item
-- of its own, a version of that one, with its content and its transfers.

ALTER TABLE item ADD COLUMN version INTEGER NOT NULL DEFAULT 1; -- counts from 1
ALTER TABLE item ADD COLUMN version_of TEXT;      -- of an older version: the item it was
ALTER TABLE item ADD COLUMN versions_uid INTEGER; -- its message in Versions
CREATE INDEX item_by_version ON item (version_of, version) WHERE version_of IS NOT NULL;
CREATE INDEX item_in_versions ON item (account_id, versions_uid)
    WHERE versions_uid IS NOT NULL;
