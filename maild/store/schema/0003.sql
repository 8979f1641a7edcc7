-- Version 3: items whose octets are still arriving have no digest yet.

CREATE INDEX item_arriving ON item (created) WHERE sha256 IS NULL;
CREATE INDEX checkpoint_by_message ON checkpoint (message_id);
