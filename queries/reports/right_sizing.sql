-- title: Right-sizing
-- about: What each application should have allocated per instance, by the 99th percentile of the CPU and the most memory
--   that any of its containers needed in the range, with a margin; and what would come free. What it has now is what
--   Mesos allocates, else what the engine reserves, else the limit.
-- parameter start time = -14d: from here on
-- parameter end time = now: up to here
-- parameter app glob = *: applications; empty for containers of none
-- parameter percent number = 99: the percentile of CPU
-- parameter margin number = 0.2: added to what was needed, as a part of it
-- column app: the application; null for containers of none
-- column containers: containers that were seen
-- column instances: containers at a time, mean over the range
-- column cpu_needed_cores [cores]: the percentile of the container that needed most
-- column cpu_recommended_cores [cores]: that with the margin
-- column cpu_allocated_cores [cores]: what an instance has now
-- column cpu_slack_cores [cores]: what would come free, over all instances; negative where it has too little
-- column memory_needed_bytes [bytes]: the largest working set
-- column memory_recommended_bytes [bytes]: that with the margin
-- column memory_allocated_bytes [bytes]: what an instance has now
-- column memory_slack_gib [GiB]: what would come free, over all instances
WITH lives AS MATERIALIZED (
    SELECT
        max(app) AS app,
        min(at_ms - coalesce(stretch_seconds, 0) * 1000) AS first_ms,
        max(at_ms) AS last_ms,
        sum(stretch_seconds) AS seconds,
        percentile(cpu_cores, :percent) AS cpu_needed,
        max(memory_working_set_bytes) AS memory_needed,
        max(coalesce(cpu_allocated_cores, cpu_reserved_cores, cpu_limit_cores)) AS cpu_allocated,
        max(coalesce(memory_allocated_bytes, memory_reserved_bytes, memory_max_bytes)) AS memory_allocated
    FROM container
    WHERE at_ms >= :start AND at_ms < :end AND app GLOB :app
    GROUP BY host, id
),
span AS (SELECT nullif((max(last_ms) - min(first_ms)) / 1000.0, 0) AS seconds FROM lives),
apps AS (
    SELECT
        app,
        count(*) AS containers,
        sum(lives.seconds) / span.seconds AS instances,
        max(cpu_needed) AS cpu_needed,
        max(cpu_needed) * (1 + :margin) AS cpu_recommended,
        max(cpu_allocated) AS cpu_allocated,
        max(memory_needed) AS memory_needed,
        max(memory_needed) * (1 + :margin) AS memory_recommended,
        max(memory_allocated) AS memory_allocated
    FROM lives, span
    GROUP BY app
)
SELECT
    app,
    containers,
    round(instances, 2) AS instances,
    round(cpu_needed, 4) AS cpu_needed_cores,
    round(cpu_recommended, 4) AS cpu_recommended_cores,
    cpu_allocated AS cpu_allocated_cores,
    round((cpu_allocated - cpu_recommended) * instances, 4) AS cpu_slack_cores,
    CAST(memory_needed AS INTEGER) AS memory_needed_bytes,
    CAST(round(memory_recommended) AS INTEGER) AS memory_recommended_bytes,
    memory_allocated AS memory_allocated_bytes,
    round((memory_allocated - memory_recommended) * instances / 1073741824.0, 4) AS memory_slack_gib
FROM apps
ORDER BY cpu_slack_cores DESC NULLS LAST, app
