-- Writes down what a target saw of an entity.
INSERT INTO sighting (
    entity, target, turn, first_seen_ms, seen_from_ms, last_seen_ms, seen_until_ms, sample_from_ms, sample_until_ms
) VALUES (
    :entity, :target, :turn, :first_seen_ms, :seen_from_ms, :last_seen_ms, :seen_until_ms, :sample_from_ms,
    :sample_until_ms
) ON CONFLICT (entity, target) DO UPDATE SET
    first_seen_ms = excluded.first_seen_ms,
    seen_from_ms = excluded.seen_from_ms,
    last_seen_ms = excluded.last_seen_ms,
    seen_until_ms = excluded.seen_until_ms,
    sample_from_ms = excluded.sample_from_ms,
    sample_until_ms = excluded.sample_until_ms;
