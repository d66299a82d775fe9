-- What each target saw of an entity, in the order in which targets found it, with the reach of the target's good polls.
SELECT
    sighting.target, sighting.first_seen_ms, sighting.seen_from_ms, sighting.last_seen_ms, sighting.seen_until_ms,
    sighting.sample_from_ms, sighting.sample_until_ms, target.good_started_ms
FROM sighting
CROSS JOIN target ON target.id = sighting.target
WHERE sighting.entity = :entity
ORDER BY sighting.turn;
