-- title: Week-by-week growth by application
-- about: What each application used in each week of the range, as means over the week's time that was recorded, and how
--   much more that was than in the week before. Weeks begin on Monday.
-- parameter start time = -8w: from here on
-- parameter end time = now: up to here
-- parameter tz zone = UTC: zone of the weeks
-- parameter app glob = *: applications; empty for containers of none
-- column app: the application; null for containers of none
-- column week: when the week began
-- column containers: containers that were seen in it
-- column cpu_cores [cores]: mean use
-- column memory_bytes [bytes]: mean working set
-- column cpu_growth_ratio [ratio]: use divided by that of the week before
-- column memory_growth_ratio [ratio]: the same of memory
WITH RECURSIVE weeks(from_ms, until_ms) AS (
    SELECT bucket(:start, '1w', :tz), bucket(bucket(:start, '1w', :tz) + 8 * 86400000, '1w', :tz)
    UNION ALL
    SELECT until_ms, bucket(until_ms + 8 * 86400000, '1w', :tz) FROM weeks WHERE until_ms < :end
),
-- Each week's containers are folded to its applications before the next week is read: one row a container is held.
folded AS MATERIALIZED (
    SELECT
        from_ms,
        (
            SELECT json_group_array(json_array(app, containers, cpu_seconds, memory_byte_seconds, span_seconds))
            FROM (
                SELECT
                    app,
                    count(*) AS containers,
                    sum(cpu_seconds) AS cpu_seconds,
                    sum(memory_byte_seconds) AS memory_byte_seconds,
                    (max(max(last_ms)) OVER () - min(min(first_ms)) OVER ()) / 1000.0 AS span_seconds
                FROM (
                    SELECT
                        max(app) AS app,
                        min(at_ms - coalesce(stretch_seconds, 0) * 1000) AS first_ms,
                        max(at_ms) AS last_ms,
                        sum(iif(stretch_seconds IS NULL, NULL, cpu_usage_seconds_increase)) AS cpu_seconds,
                        sum(memory_working_set_bytes * stretch_seconds) AS memory_byte_seconds
                    FROM container
                    WHERE at_ms >= max(from_ms, :start) AND at_ms < min(until_ms, :end) AND app GLOB :app
                    GROUP BY host, id
                )
                GROUP BY app
            )
        ) AS apps
    FROM weeks
),
used AS (
    SELECT
        value ->> 0 AS app,
        from_ms,
        value ->> 1 AS containers,
        (value ->> 2) / nullif(value ->> 4, 0) AS cpu_cores,
        (value ->> 3) / nullif(value ->> 4, 0) AS memory_bytes
    FROM folded, json_each(apps)
)
SELECT
    app,
    iso(from_ms, :tz) AS week,
    containers,
    round(cpu_cores, 4) AS cpu_cores,
    CAST(round(memory_bytes) AS INTEGER) AS memory_bytes,
    round(cpu_cores / nullif(lag(cpu_cores) OVER by_week, 0), 4) AS cpu_growth_ratio,
    round(memory_bytes / nullif(lag(memory_bytes) OVER by_week, 0), 4) AS memory_growth_ratio
FROM used
WINDOW by_week AS (PARTITION BY app ORDER BY from_ms)
ORDER BY app NULLS LAST, from_ms
