-- What is said of all events.
-- plan: scan (all are checked)
SELECT id, event_type, severity, kind, entity, details, source_id, message FROM event;
