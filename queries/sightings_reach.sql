-- Which targets saw an entity, in the order in which they found it, and when they first and last did.
SELECT target, first_seen_ms, last_seen_ms FROM sighting WHERE entity = :entity ORDER BY turn;
