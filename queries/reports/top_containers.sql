-- title: Top containers by any column
-- about: The containers with the largest mean of a column over the range, with its least and largest value.
-- parameter start time = -1h: from here on
-- parameter end time = now: up to here
-- parameter by column(container) = cpu_cores: the column
-- parameter count integer = 20: how many containers
-- parameter app glob = *: applications; empty for containers of none
-- parameter host glob = *: hosts
-- column host: its host
-- column id: its id
-- column name: its name
-- column app: its application
-- column mean: mean of the column's values
-- column least: the smallest
-- column largest: the largest
-- column samples: how many values there are
WITH values_of AS (
    SELECT
        host,
        id,
        max(name) AS name,
        max(app) AS app,
        avg({by}) AS mean,
        min({by}) AS least,
        max({by}) AS largest,
        count({by}) AS samples
    FROM container
    WHERE at_ms >= :start AND at_ms < :end AND app GLOB :app AND host GLOB :host
    GROUP BY host, id
)
SELECT host, id, name, app, mean, least, largest, samples
FROM values_of
WHERE samples > 0
ORDER BY mean DESC, host, id
LIMIT :count
