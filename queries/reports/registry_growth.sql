-- title: Registry growth by month
-- about: How many repositories, tags and bytes each registry had at the end of each month, and what came in it.
-- parameter start time = -365d: from here on
-- parameter end time = now: up to here
-- parameter tz zone = UTC: zone of the months
-- column registry: the registry
-- column month: when the month began
-- column repositories: repositories at its end
-- column tags: tags at its end
-- column bytes [bytes]: bytes at its end, each layer once
-- column repositories_more: how many more than at the end of the month before
-- column tags_more: how many more
-- column bytes_more [bytes]: how many more
WITH months AS (
    SELECT
        registry,
        bucket(at_ms, '1mo', :tz) AS month_ms,
        max(at_ms) AS last_ms,
        repositories,
        tags,
        bytes
    FROM registry
    WHERE at_ms >= :start AND at_ms < :end
    GROUP BY registry, month_ms
)
SELECT
    registry,
    iso(month_ms, :tz) AS month,
    repositories,
    tags,
    bytes,
    repositories - lag(repositories) OVER by_month AS repositories_more,
    tags - lag(tags) OVER by_month AS tags_more,
    bytes - lag(bytes) OVER by_month AS bytes_more
FROM months
WINDOW by_month AS (PARTITION BY registry ORDER BY month_ms)
ORDER BY registry, month_ms
