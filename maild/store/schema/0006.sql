-- Version 6: what one recipient of a server has been brought is not sent again for the
-- next one; pushes of one item to one server go one after the other.

ALTER TABLE offer ADD COLUMN rendering TEXT;      -- what names the push, see protocol.md
ALTER TABLE checkpoint ADD COLUMN rendering TEXT; -- of the offer that is redeemed
CREATE INDEX checkpoint_by_rendering ON checkpoint (rendering)
    WHERE rendering IS NOT NULL;

-- Of an item that a push has brought: how its next recipient's begins.
CREATE TABLE brought (
    item_id TEXT PRIMARY KEY REFERENCES item ON DELETE CASCADE,
    rendering TEXT NOT NULL,
    sender TEXT NOT NULL,                    -- Address.key
    size INTEGER NOT NULL,                   -- octets of the message as declared
    body TEXT NOT NULL,                      -- BODY of the MAIL command
    front BLOB NOT NULL                      -- octets that the peer sent before the blob
);
CREATE INDEX brought_by_rendering ON brought (rendering);

CREATE INDEX transfer_active ON transfer (item_id)
    WHERE state IN ('connecting', 'transferring');
