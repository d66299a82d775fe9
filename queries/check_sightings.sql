-- What targets saw that cannot be: an unknown target, an end without its time or before its beginning.
-- plan: scan (all are checked)
SELECT sighting.entity, sighting.target
FROM sighting
WHERE NOT EXISTS (SELECT 1 FROM target WHERE target.id = sighting.target)
    OR (sighting.last_seen_ms IS NULL) <> (sighting.seen_until_ms IS NULL)
    OR (sighting.sample_from_ms IS NULL AND sighting.sample_until_ms IS NOT NULL)
    OR sighting.last_seen_ms < sighting.first_seen_ms
    OR sighting.sample_until_ms < sighting.sample_from_ms
    OR sighting.turn < 0;
