-- Version 8: the rendezvous.

CREATE TABLE exchange (
    first_home TEXT,
    second_home TEXT,
    first_number TEXT,
    second_number TEXT,
    made REAL,
    PRIMARY KEY (first_home, second_home)
);
