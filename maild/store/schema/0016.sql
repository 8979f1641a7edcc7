-- Version 16: what was told, by whom it was decided, and what can be decided no more.

ALTER TABLE offer ADD COLUMN said_by INTEGER; -- content that made it; it may be gone
UPDATE offer SET said_by = content_id;
CREATE INDEX offer_by_message ON offer (said_by) WHERE said_by IS NOT NULL;

ALTER TABLE address_request ADD COLUMN said_by INTEGER; -- content that asks, likewise
ALTER TABLE address_request ADD COLUMN answer INTEGER;  -- content that answers, likewise
ALTER TABLE address_request ADD COLUMN told TEXT;       -- the mail address that was told
ALTER TABLE address_request ADD COLUMN unasked INTEGER NOT NULL DEFAULT 0; -- not by the user
UPDATE address_request SET said_by = content_id;
UPDATE address_request SET told = (
    SELECT CASE first_number WHEN one.address THEN second_home ELSE first_home END
    FROM account AS one, account AS other, exchange
    WHERE one.id = asking AND other.id = asked AND (
        (first_number = one.address AND second_number = other.address)
        OR (first_number = other.address AND second_number = one.address)))
WHERE state = 'accepted';
CREATE INDEX address_request_by_message ON address_request (said_by)
    WHERE said_by IS NOT NULL;
