-- Keeps an event, unless it was told before.
INSERT INTO event (target, at_ms, source_id, event_type, severity, kind, entity, message, details)
VALUES (:target, :at_ms, :source_id, :event_type, :severity, :kind, :entity, :message, :details)
ON CONFLICT (target, at_ms, source_id, event_type) DO NOTHING;
