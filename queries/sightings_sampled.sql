-- Which targets took samples of an entity, and from when until when.
SELECT target, sample_from_ms, sample_until_ms
FROM sighting
WHERE entity = :entity AND sample_from_ms IS NOT NULL
ORDER BY target;
