-- Which targets took samples of some entities, and from when until when, each with the place of its entity among them.
SELECT target, sample_from_ms, sample_until_ms, wanted.rowid
FROM rarray(:entities) AS wanted
CROSS JOIN sighting ON sighting.entity = wanted.value
WHERE sighting.sample_from_ms IS NOT NULL;
