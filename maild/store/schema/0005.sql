-- Version 5: quota.  What counts is what is stored, however it is rendered; `used` counts each content once, however often it is in the
-- account's mailboxes; triggers keep it in the transaction that changes them.

ALTER TABLE content ADD COLUMN stored INTEGER NOT NULL DEFAULT 0; -- octets, once whole
UPDATE content SET stored = length(constants) + (
    SELECT coalesce(sum(coalesce(expected, durable)), 0)
    FROM content_blob JOIN blob ON blob.id = blob_id WHERE content_id = content.id);

ALTER TABLE account ADD COLUMN used INTEGER NOT NULL DEFAULT 0; -- octets of its messages

CREATE TRIGGER message_comes AFTER INSERT ON message
WHEN NOT EXISTS (
    SELECT 1 FROM message AS other JOIN mailbox ON mailbox.id = other.mailbox_id
    WHERE other.content_id = new.content_id AND other.id <> new.id
        AND mailbox.account_id =
            (SELECT account_id FROM mailbox WHERE id = new.mailbox_id))
BEGIN
    UPDATE account
    SET used = used + (SELECT stored FROM content WHERE id = new.content_id)
    WHERE id = (SELECT account_id FROM mailbox WHERE id = new.mailbox_id);
END;

CREATE TRIGGER message_goes AFTER DELETE ON message
WHEN NOT EXISTS (
    SELECT 1 FROM message AS other JOIN mailbox ON mailbox.id = other.mailbox_id
    WHERE other.content_id = old.content_id
        AND mailbox.account_id =
            (SELECT account_id FROM mailbox WHERE id = old.mailbox_id))
BEGIN
    UPDATE account
    SET used = used - (SELECT stored FROM content WHERE id = old.content_id)
    WHERE id = (SELECT account_id FROM mailbox WHERE id = old.mailbox_id);
END;

CREATE TRIGGER content_grows AFTER UPDATE OF stored ON content
WHEN new.stored <> old.stored
BEGIN
    UPDATE account SET used = used + new.stored - old.stored
    WHERE id IN (SELECT account_id FROM message JOIN mailbox
        ON mailbox.id = message.mailbox_id WHERE message.content_id = new.id);
END;

UPDATE account SET used = (
    SELECT coalesce(sum(stored), 0) FROM content WHERE id IN (
        SELECT content_id FROM message JOIN mailbox ON mailbox.id = mailbox_id
        WHERE account_id = account.id));

CREATE INDEX offer_reserving ON offer (account_id) WHERE reserved > 0;
