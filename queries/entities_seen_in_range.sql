-- Entities of a kind that any target saw in [from, until), after an identity, in identity order; where a text is given, only
-- those whose identity holds it.
SELECT entity.id, entity.identity, entity.ended_ms
FROM entity
WHERE entity.kind = :kind AND entity.identity >= coalesce(:after, x'') AND entity.identity IS NOT :after
    AND CASE WHEN :part IS NULL THEN 1 ELSE instr(entity.identity, :part) > 0 END
    AND EXISTS (
        SELECT 1
        FROM sighting
        WHERE sighting.entity = entity.id
            AND (
                coalesce(
                    sighting.last_seen_ms, (SELECT good_started_ms FROM target WHERE target.id = sighting.target)
                ) >= :from_ms
                OR coalesce(
                    sighting.seen_until_ms, (SELECT good_seen_until_ms FROM target WHERE target.id = sighting.target)
                ) >= :from_ms
            )
    )
    AND EXISTS (
        SELECT 1 FROM sighting WHERE sighting.entity = entity.id AND sighting.seen_from_ms < :until_ms
    )
ORDER BY entity.identity;
