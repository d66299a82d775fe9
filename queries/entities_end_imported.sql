-- Ends what no target lists any more and has no end, which only imports leave: at its target's next good poll.
UPDATE entity
SET ended_ms = (
    SELECT poll.started_ms
    FROM sighting
    CROSS JOIN poll ON poll.target = sighting.target AND poll.started_ms > sighting.last_seen_ms
    WHERE sighting.entity = entity.id
        AND sighting.last_seen_ms = (SELECT max(s.last_seen_ms) FROM sighting AS s WHERE s.entity = entity.id)
        AND poll.outcome IN ('ok', 'partial')
        AND poll.started_ms > sighting.seen_until_ms
    ORDER BY poll.started_ms
    LIMIT 1
)
WHERE entity.kind = :kind AND entity.ended_ms IS NULL
    AND NOT EXISTS (SELECT 1 FROM sighting WHERE sighting.entity = entity.id AND sighting.last_seen_ms IS NULL);
