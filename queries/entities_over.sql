-- Entities that every target stopped seeing before a cutoff.
SELECT DISTINCT old.entity
FROM sighting AS old INDEXED BY sighting_over
WHERE old.last_seen_ms IS NOT NULL AND old.last_seen_ms < :cutoff_ms
    AND NOT EXISTS (
        SELECT 1 FROM sighting AS other
        WHERE other.entity = old.entity
            AND (other.last_seen_ms IS NULL OR other.last_seen_ms >= :cutoff_ms OR other.seen_until_ms >= :cutoff_ms)
    )
LIMIT :limit;
