-- Version 7: what is looked up often is found without looking at everything.

-- Replies to what is whole make room for others before what can be gone on with does.
CREATE INDEX checkpoint_over_of ON checkpoint (account_id, touched)
    WHERE blob_id IS NULL;
CREATE INDEX checkpoint_over ON checkpoint (touched) WHERE blob_id IS NULL;

-- Names of annotations know no case (RFC 5464 §3.2); ids do.
CREATE INDEX item_by_entry ON item (account_id, lower(id));
