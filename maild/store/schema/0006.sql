-- Version 6: what one recipient of a server has been brought is not sent again for the
-- next one; pushes of one item to one server go one after the other.

ALTER TABLE offer ADD COLUMN rendering TEXT;      -- what names the push, see protocol.md
CREATE INDEX offer_by_rendering ON offer (rendering) WHERE rendering IS NOT NULL;
ALTER TABLE checkpoint ADD COLUMN rendering TEXT; -- of the offer that is redeemed
CREATE INDEX checkpoint_by_rendering ON checkpoint (rendering)
    WHERE rendering IS NOT NULL;
CREATE INDEX transfer_active ON transfer (item_id)
    WHERE state IN ('connecting', 'transferring');
