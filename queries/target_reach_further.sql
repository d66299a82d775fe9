-- Notes that a target's good polls reach at least so far.
UPDATE target
SET good_started_ms = max(coalesce(good_started_ms, :good_started_ms), :good_started_ms),
    good_seen_until_ms = max(coalesce(good_seen_until_ms, :good_seen_until_ms), :good_seen_until_ms)
WHERE id = :target;
