-- Entities of a kind after an identity, in identity order, each once for each target that saw it; where a text is given,
-- only those whose identity holds it.
SELECT
    entity.id, entity.identity, entity.ended_ms, sighting.target, sighting.first_seen_ms, sighting.seen_from_ms,
    sighting.last_seen_ms, sighting.seen_until_ms, sighting.turn
FROM entity
CROSS JOIN sighting ON sighting.entity = entity.id
WHERE entity.kind = :kind AND entity.identity >= coalesce(:after, x'') AND entity.identity IS NOT :after
    AND CASE WHEN :part IS NULL THEN 1 ELSE instr(entity.identity, :part) > 0 END
ORDER BY entity.identity;
