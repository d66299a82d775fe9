-- Polls that cannot be: times that contradict each other, samples without a time, a target's reach that they exceed.
-- plan: scan (all are checked)
SELECT poll.id
FROM poll
CROSS JOIN target ON target.id = poll.target
WHERE poll.id <= 0 OR poll.duration_ms < 0 OR poll.interval_ms < 0 OR poll.bytes < 0 OR poll.samples < 0
    OR poll.at_min_ms > poll.at_max_ms
    OR (poll.at_min_ms IS NOT NULL AND poll.at_max_ms IS NULL)
    OR (poll.samples > 0) <> (poll.at_max_ms IS NOT NULL)
    OR (poll.outcome NOT IN ('ok', 'partial') AND poll.samples > 0)
    OR (poll.outcome IN ('ok', 'partial') AND (
        target.good_started_ms IS NULL OR target.good_seen_until_ms IS NULL
        OR poll.started_ms > target.good_started_ms OR poll.seen_until_ms > target.good_seen_until_ms
    ))
    OR poll.outcome NOT IN (
        'ok', 'partial', 'timeout', 'refused', 'unreachable', 'tls', 'unauthorized', 'status', 'too_large',
        'malformed', 'skipped', 'dropped'
    )
    OR NOT json_valid(poll.missing);
