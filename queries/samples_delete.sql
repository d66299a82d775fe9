-- Deletes the samples that a poll took of one kind.
DELETE FROM {table} WHERE poll = :poll;
