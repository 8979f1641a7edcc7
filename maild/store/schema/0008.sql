-- Version 8: the rendezvous.  Numbers ask each other for mail addresses; what they have
-- told each other is kept by the addresses, so that what passes between them is known.

CREATE TABLE address_request (
    asking INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    id TEXT NOT NULL,                        -- the asking terminal's
    asked INTEGER REFERENCES account ON DELETE CASCADE, -- NULL: there is no such number
    nonce TEXT NOT NULL,
    home TEXT NOT NULL,                      -- mail address of the asking number, then
    state TEXT NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'accepted', 'declined', 'expired', 'unknown')),
    content_id INTEGER REFERENCES content,   -- the message that asks, while open
    expires REAL NOT NULL,
    trace TEXT NOT NULL,
    created REAL NOT NULL,
    decided REAL,
    PRIMARY KEY (asking, id)
) WITHOUT ROWID;
CREATE INDEX address_request_by_asked ON address_request (asked, asking);
CREATE INDEX address_request_by_content ON address_request (content_id)
    WHERE content_id IS NOT NULL;
CREATE INDEX address_request_by_age ON address_request (asking, created);
CREATE INDEX address_request_open ON address_request (expires) WHERE state = 'open';

-- Two people who know each other's address; homes as Address.key, first < second.  A
-- home is a number's word: who claims another's must not take what that one knows.
CREATE TABLE exchange (
    first_home TEXT NOT NULL,
    second_home TEXT NOT NULL,
    first_number TEXT NOT NULL,
    second_number TEXT NOT NULL,
    made REAL NOT NULL,
    PRIMARY KEY (first_home, second_home, first_number, second_number)
) WITHOUT ROWID;
CREATE INDEX exchange_by_first ON exchange (first_number);
CREATE INDEX exchange_by_second ON exchange (second_number);
