-- Which targets saw an entity, when they first and last did, and in which order they found it.
SELECT target, first_seen_ms, last_seen_ms, turn FROM sighting WHERE entity = :entity;
