-- Sets how far a target's good polls reach.
UPDATE target SET good_started_ms = :good_started_ms, good_seen_until_ms = :good_seen_until_ms WHERE id = :target;
