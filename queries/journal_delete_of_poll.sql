-- Deletes all samples of a poll that are not sealed.
DELETE FROM journal WHERE poll = :poll;
