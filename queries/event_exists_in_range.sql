-- Whether an event of a type and source id was told in [from, until).
SELECT 1
FROM event
WHERE at_ms >= :from_ms AND at_ms < :until_ms AND source_id = :source_id AND event_type = :event_type
LIMIT 1;
