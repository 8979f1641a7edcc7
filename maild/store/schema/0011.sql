-- Version 11: transfers whose content waits for the sender's go.

ALTER TABLE transfer ADD COLUMN confirm REAL NOT NULL DEFAULT 0; -- seconds in which go
    -- has to be said once it is prepared; 0: it need not be said (any more)
ALTER TABLE transfer ADD COLUMN lasts REAL; -- `expires` as it will be again after go
