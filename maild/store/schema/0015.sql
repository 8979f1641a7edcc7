-- Version 15: what is kept for others counts with all the room it was promised.

ALTER TABLE checkpoint ADD COLUMN promised INTEGER NOT NULL DEFAULT 0; -- octets of room
