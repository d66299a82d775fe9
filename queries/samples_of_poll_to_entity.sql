-- What a poll took before an instant of the entities up to one.
SELECT entity, at_ms, since_ms{columns}
FROM {table}
WHERE poll = :poll AND entity <= :entity_max AND at_ms < :until_ms;
