-- The oldest time of a poll's samples of one kind.
SELECT min(at_ms) FROM {table} WHERE poll = :poll;
