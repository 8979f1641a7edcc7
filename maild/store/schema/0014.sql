-- Version 14: what has passed between two is counted whatever became of it.

DROP INDEX passage_open;
CREATE INDEX passage_between ON passage (sender, recipient);
