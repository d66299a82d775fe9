-- What each target saw of some entities, and when each ended, with the place of the entity among them.
SELECT
    sighting.target, sighting.first_seen_ms, sighting.seen_from_ms, sighting.last_seen_ms, sighting.seen_until_ms,
    sighting.turn, entity.ended_ms, wanted.rowid
FROM rarray(:entities) AS wanted
CROSS JOIN entity ON entity.id = wanted.value
CROSS JOIN sighting ON sighting.entity = wanted.value;
