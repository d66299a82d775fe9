-- Deletes a poll.
DELETE FROM poll WHERE id = :poll;
