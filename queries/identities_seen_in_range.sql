-- Entities of a kind after an identity, in identity order, of which it is not known that nothing was seen in [from, until);
-- where a text is given, only those whose identity holds it.
SELECT id, identity
FROM entity
WHERE kind = :kind AND identity >= coalesce(:after, x'') AND identity IS NOT :after
    AND CASE WHEN :part IS NULL THEN 1 ELSE instr(identity, :part) > 0 END
    AND EXISTS (
        SELECT 1
        FROM sighting
        WHERE sighting.entity = entity.id AND coalesce(last_seen_ms >= :from_ms OR seen_until_ms >= :from_ms, 1)
    )
    AND EXISTS (SELECT 1 FROM sighting WHERE sighting.entity = entity.id AND seen_from_ms < :until_ms)
ORDER BY identity;
