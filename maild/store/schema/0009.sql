-- Version 9: offers that pass a rendezvous, which checks them; what was refused.

ALTER TABLE transfer ADD COLUMN via TEXT NOT NULL DEFAULT ''; -- domain of a rendezvous
ALTER TABLE offer ADD COLUMN via TEXT NOT NULL DEFAULT '';    -- its answer's way back

-- At a rendezvous: each offer that it passed on, and what became of it.
CREATE TABLE passage (
    offer_id TEXT NOT NULL,
    sender TEXT NOT NULL,                    -- Address.key, as is the recipient
    recipient TEXT NOT NULL,
    nonce TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    size INTEGER NOT NULL,                   -- octets that are offered
    expires REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'offered'
        CHECK (state IN ('offered', 'accepted', 'declined', 'withdrawn')),
    ticket_until REAL,                       -- how long the accepting answer is good
    trace TEXT NOT NULL,
    octets INTEGER NOT NULL DEFAULT 0,       -- of its content, passed on here
    created REAL NOT NULL,
    PRIMARY KEY (offer_id, sender, recipient)
) WITHOUT ROWID;
CREATE INDEX passage_by_expiry ON passage (expires);
CREATE INDEX passage_open ON passage (sender, recipient) WHERE state = 'offered';

-- Offers that were refused; the latest ones, for ``maild offers ls``.
CREATE TABLE refused_offer (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    offer_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER,
    cause TEXT NOT NULL,                     -- mail.monitor.Cause
    reply TEXT NOT NULL,
    trace TEXT NOT NULL
);
