-- The highest id of a poll so far.
SELECT max(id) FROM poll;
