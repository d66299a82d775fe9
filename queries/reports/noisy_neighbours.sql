-- title: Noisy neighbours
-- about: Whether containers are held back by their own limit or by others on their host: the part of their scheduling
--   periods in which they were throttled, against the part of the time in which something on the host waited for a
--   processor (pressure), and which container of the host used most.
-- parameter start time = -1d: from here on
-- parameter end time = now: up to here
-- parameter host glob = *: hosts
-- parameter throttled number = 0.1: from this part of periods on a container counts as throttled
-- parameter pressure number = 0.1: from this part of the time on a host counts as under pressure
-- column host: the host
-- column name: the container's name
-- column app: its application
-- column cpu_cores [cores]: its mean use
-- column cpu_throttled_ratio [ratio]: periods in which it was throttled
-- column host_pressure_ratio [ratio]: time in which something on the host waited for a processor
-- column host_share_ratio [ratio]: its part of what all containers of the host used
-- column loudest: the container of the host that used most
-- column cause: own limit, neighbours, or both
WITH hosts AS MATERIALIZED (
    SELECT host, rate(pressure_cpu_some_seconds_increase, stretch_seconds) AS pressure
    FROM host
    WHERE at_ms >= :start AND at_ms < :end AND host GLOB :host
    GROUP BY host
),
lives AS MATERIALIZED (
    SELECT
        host,
        id,
        max(at_ms) AS last_ms,
        coalesce(name, id) AS name,
        app,
        rate(cpu_usage_seconds_increase, stretch_seconds) AS cpu_cores,
        1.0 * increase(cpu_throttled_periods_increase) / nullif(increase(cpu_periods_increase), 0) AS throttled
    FROM container
    WHERE at_ms >= :start AND at_ms < :end AND host GLOB :host
    GROUP BY host, id
),
shares AS (
    SELECT
        *,
        cpu_cores / nullif(sum(cpu_cores) OVER (PARTITION BY host), 0) AS share,
        first_value(name) OVER (PARTITION BY host ORDER BY cpu_cores DESC NULLS LAST, id) AS loudest
    FROM lives
)
SELECT
    host,
    name,
    app,
    round(cpu_cores, 4) AS cpu_cores,
    round(throttled, 4) AS cpu_throttled_ratio,
    round(pressure, 4) AS host_pressure_ratio,
    round(share, 4) AS host_share_ratio,
    loudest,
    CASE
        WHEN throttled >= :throttled AND pressure >= :pressure THEN 'both'
        WHEN throttled >= :throttled THEN 'own limit'
        ELSE 'neighbours'
    END AS cause
FROM shares LEFT JOIN hosts USING (host)
WHERE throttled >= :throttled OR (pressure >= :pressure AND name <> loudest)
ORDER BY coalesce(throttled, 0) + coalesce(pressure, 0) DESC, host, name
