-- How many attribute versions of an entity begin in [from, until).
SELECT count(*) FROM entity_version WHERE entity = :entity AND from_ms >= :from_ms AND from_ms < :until_ms;
