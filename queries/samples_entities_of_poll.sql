-- The first entities of which a poll took a sample before an instant.
SELECT entity FROM {table} WHERE poll = :poll AND at_ms < :until_ms ORDER BY entity LIMIT :limit;
