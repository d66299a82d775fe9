-- title: Used against limit against allocated, by application
-- about: What the containers of each application used, could use at most, and had allocated by Mesos, as means over the
--   time that the samples of the range cover. Where a limit or an allocation is not known it counts as
--   nothing; the last two columns say for how many containers that is so.
-- parameter start time = -7d: from here on
-- parameter end time = now: up to here
-- parameter app glob = *: applications; empty for containers of none
-- parameter host glob = *: hosts
-- column app: the application; null for containers of none
-- column containers: containers that were seen
-- column cpu_used_cores [cores]: mean use
-- column cpu_limit_cores [cores]: sum of limits, mean over time
-- column cpu_allocated_cores [cores]: sum of what is allocated, mean over time
-- column cpu_used_ratio [ratio]: used divided by allocated, else by limit
-- column memory_used_bytes [bytes]: mean working set
-- column memory_limit_bytes [bytes]: sum of limits, mean over time
-- column memory_allocated_bytes [bytes]: sum of what is allocated, mean over time
-- column memory_used_ratio [ratio]: used divided by allocated, else by limit
-- column without_cpu_limit: containers that have no CPU limit
-- column without_memory_limit: containers that have no memory limit
WITH lives AS MATERIALIZED (
    SELECT
        max(app) AS app,
        min(at_ms - coalesce(stretch_seconds, 0) * 1000) AS first_ms,
        max(at_ms) AS last_ms,
        sum(iif(stretch_seconds IS NULL, NULL, cpu_usage_seconds_increase)) AS cpu_seconds,
        sum(cpu_limit_cores * stretch_seconds) AS cpu_limit_seconds,
        sum(cpu_allocated_cores * stretch_seconds) AS cpu_allocated_seconds,
        sum(memory_working_set_bytes * stretch_seconds) AS memory_byte_seconds,
        sum(memory_max_bytes * stretch_seconds) AS memory_limit_seconds,
        sum(memory_allocated_bytes * stretch_seconds) AS memory_allocated_seconds,
        max(cpu_limit_cores) IS NULL AS is_without_cpu_limit,
        max(memory_max_bytes) IS NULL AS is_without_memory_limit
    FROM container
    WHERE at_ms >= :start AND at_ms < :end AND app GLOB :app AND host GLOB :host
    GROUP BY host, id
),
span AS (SELECT nullif((max(last_ms) - min(first_ms)) / 1000.0, 0) AS seconds FROM lives),
apps AS (
    SELECT
        app,
        count(*) AS containers,
        sum(cpu_seconds) / seconds AS cpu_used,
        sum(cpu_limit_seconds) / seconds AS cpu_limit,
        sum(cpu_allocated_seconds) / seconds AS cpu_allocated,
        sum(memory_byte_seconds) / seconds AS memory_used,
        sum(memory_limit_seconds) / seconds AS memory_limit,
        sum(memory_allocated_seconds) / seconds AS memory_allocated,
        sum(is_without_cpu_limit) AS without_cpu_limit,
        sum(is_without_memory_limit) AS without_memory_limit
    FROM lives, span
    GROUP BY app
)
SELECT
    app,
    containers,
    round(cpu_used, 4) AS cpu_used_cores,
    round(cpu_limit, 4) AS cpu_limit_cores,
    round(cpu_allocated, 4) AS cpu_allocated_cores,
    round(cpu_used / coalesce(nullif(cpu_allocated, 0), nullif(cpu_limit, 0)), 4) AS cpu_used_ratio,
    CAST(round(memory_used) AS INTEGER) AS memory_used_bytes,
    CAST(round(memory_limit) AS INTEGER) AS memory_limit_bytes,
    CAST(round(memory_allocated) AS INTEGER) AS memory_allocated_bytes,
    round(memory_used / coalesce(nullif(memory_allocated, 0), nullif(memory_limit, 0)), 4) AS memory_used_ratio,
    without_cpu_limit,
    without_memory_limit
FROM apps
ORDER BY cpu_used DESC NULLS LAST, app
