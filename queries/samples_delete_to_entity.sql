-- Deletes what a poll took before an instant of the entities up to one.
DELETE FROM {table} WHERE poll = :poll AND entity <= :entity_max AND at_ms < :until_ms;
