-- Whether a poll is kept.
SELECT 1 FROM poll WHERE id = :poll;
