-- title: Busiest hour by host
-- about: For each host the hour of the range in which its processors worked most, and how full its memory was in it.
-- parameter start time = -7d: from here on
-- parameter end time = now: up to here
-- parameter tz zone = UTC: zone of the hours
-- parameter host glob = *: hosts
-- column host: the host
-- column hour: when the hour began
-- column cpu_cores [cores]: mean use in it
-- column cpus: logical processors
-- column cpu_used_ratio [ratio]: mean use divided by the processors
-- column memory_used_ratio [ratio]: the most that was in use in it
-- column mean_cpu_cores [cores]: mean use over the whole range
WITH hours AS (
    SELECT
        host,
        bucket(at_ms - 1, '1h', :tz) AS hour_ms,
        sum(cpu_cores * stretch_seconds) AS core_seconds,
        sum(iif(cpu_cores IS NULL, NULL, stretch_seconds)) AS seconds,
        max(cpus) AS cpus,
        max(memory_used_ratio) AS memory_used_ratio
    FROM host
    WHERE at_ms >= :start AND at_ms < :end AND host GLOB :host
    GROUP BY host, hour_ms
),
ranked AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY host ORDER BY core_seconds / seconds DESC NULLS LAST, hour_ms) AS place,
        sum(core_seconds) OVER (PARTITION BY host) / sum(seconds) OVER (PARTITION BY host) AS mean_cores
    FROM hours
)
SELECT
    host,
    iso(hour_ms, :tz) AS hour,
    round(core_seconds / seconds, 4) AS cpu_cores,
    cpus,
    round(core_seconds / seconds / cpus, 4) AS cpu_used_ratio,
    round(memory_used_ratio, 4) AS memory_used_ratio,
    round(mean_cores, 4) AS mean_cpu_cores
FROM ranked
WHERE place = 1
ORDER BY cpu_used_ratio DESC NULLS LAST, host
