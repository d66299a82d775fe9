-- When the last good poll of a target before another of its polls started.
SELECT earlier.started_ms
FROM poll AS this
CROSS JOIN poll AS earlier ON earlier.target = this.target
WHERE this.id = :poll
    AND earlier.outcome IN ('ok', 'partial')
    AND (earlier.started_ms, earlier.id) < (this.started_ms, this.id)
ORDER BY earlier.started_ms DESC, earlier.id DESC
LIMIT 1;
