-- placeholder: branch monitor
CREATE TABLE passage (offer_id TEXT, sender TEXT, recipient TEXT, nonce TEXT,
    size INTEGER, expires REAL, state TEXT, ticket_until REAL, trace TEXT,
    octets INTEGER DEFAULT 0, created REAL, PRIMARY KEY (offer_id, sender, recipient));
ALTER TABLE transfer ADD COLUMN via TEXT NOT NULL DEFAULT '';
ALTER TABLE offer ADD COLUMN via TEXT NOT NULL DEFAULT '';
