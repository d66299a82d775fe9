-- title: OOM and crash-loop league table
-- about: Which applications failed most often in the range: containers that ended with another exit code than 0 or were
--   killed for want of memory, and the mean time between two such ends. Containers of no application stand under their
--   service or name.
-- parameter start time = -7d: from here on
-- parameter end time = now: up to here
-- column app: the application, else the service, else the container's name
-- column failures: ends with an exit code other than 0
-- column ooms: times that memory was wanting
-- column containers: containers that it happened to
-- column mean_seconds_between_failures [seconds]: from the first to the last failure, divided by those after the first
-- column exit_codes: exit codes, the most frequent first
-- column last_failure: when it failed last
WITH what AS MATERIALIZED (
    SELECT
        at_ms,
        entity,
        type = 'container_oom' AS is_oom,
        details ->> 'exit_code' AS exit_code,
        details ->> 'name' AS name
    FROM event
    WHERE at_ms >= :start AND at_ms < :end
        AND type IN ('container_oom', 'container_died')
        AND (type = 'container_oom' OR coalesce(details ->> 'exit_code', 0) <> 0)
),
who AS MATERIALIZED (
    SELECT identity, coalesce(attributes ->> 'app', attributes ->> 'service', attributes ->> 'name') AS app
    FROM entity
    WHERE kind = 'container' AND last_seen_ms >= :start - 86400000 AND first_seen_ms < :end
),
named AS MATERIALIZED (
    SELECT what.*, coalesce(who.app, what.name, what.entity) AS app FROM what LEFT JOIN who ON who.identity = what.entity
),
codes AS (
    SELECT app, group_concat(exit_code, ' ' ORDER BY times DESC, exit_code) AS exit_codes
    FROM (SELECT app, exit_code, count(*) AS times FROM named WHERE NOT is_oom GROUP BY app, exit_code)
    GROUP BY app
)
SELECT
    app,
    count(*) FILTER (WHERE NOT is_oom) AS failures,
    sum(is_oom) AS ooms,
    count(DISTINCT entity) AS containers,
    round((max(at_ms) FILTER (WHERE NOT is_oom) - min(at_ms) FILTER (WHERE NOT is_oom)) / 1000.0
        / nullif(count(*) FILTER (WHERE NOT is_oom) - 1, 0), 3) AS mean_seconds_between_failures,
    exit_codes,
    iso(max(at_ms) FILTER (WHERE NOT is_oom)) AS last_failure
FROM named LEFT JOIN codes USING (app)
GROUP BY app
ORDER BY failures DESC, ooms DESC, app
