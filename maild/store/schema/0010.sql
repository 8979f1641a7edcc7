-- Version 10: the ways by which content went, when the direct one was closed.

ALTER TABLE transfer ADD COLUMN route TEXT NOT NULL DEFAULT ''; -- 'rcs.example+direct'
CREATE INDEX offer_awaited ON offer (decided) WHERE state = 'accepted';
