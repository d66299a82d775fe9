-- Events in [from, until) after a place, oldest first; types, severities are texts joined by commas, NULL for any.
SELECT
    event.id, event.at_ms, event.severity, event.event_type, event.kind, event.entity, target.name, event.source_id,
    event.message, event.details
FROM event
CROSS JOIN target ON target.id = event.target
WHERE event.at_ms >= :from_ms AND event.at_ms < :until_ms
    AND (event.at_ms, event.id) > (:after_ms, :after_id)
    AND instr(:event_types, ',' || event.event_type || ',') > 0
    AND instr(:severities, ',' || event.severity || ',') > 0
    AND (:kind IS NULL OR event.kind = :kind)
ORDER BY event.at_ms, event.id
LIMIT :limit;
