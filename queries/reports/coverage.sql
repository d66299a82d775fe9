-- title: The recorder's own coverage, by target
-- about: How much of the range each target was watched: visits by how they ended, what part of the ticks between the
--   first and the last were good, and the longest time without a good one.
-- parameter start time = -1d: from here on
-- parameter end time = now: up to here
-- parameter target glob = *: targets
-- column target: the target
-- column polls: ticks, those that were skipped or dropped included
-- column ok: visits that brought everything
-- column partial: visits that brought not everything
-- column failed: visits that brought nothing
-- column skipped: ticks at which the visit before still ran
-- column dropped: visits whose snapshot the store could not take
-- column coverage_ratio [ratio]: good visits divided by ticks that fit between the first and the last
-- column longest_gap_seconds [seconds]: longest time between two good visits
-- column worst: the most frequent way to fail
WITH ticks AS MATERIALIZED (
    SELECT
        target,
        count(*) AS polls,
        sum(outcome = 'ok') AS ok,
        sum(outcome = 'partial') AS partial,
        sum(outcome NOT IN ('ok', 'partial', 'skipped', 'dropped')) AS failed,
        sum(outcome = 'skipped') AS skipped,
        sum(outcome = 'dropped') AS dropped,
        round((max(at_ms) - min(at_ms)) / 1000.0 / avg(interval_seconds)) + 1 AS fitting
    FROM poll
    WHERE at_ms >= :start AND at_ms < :end AND target GLOB :target
    GROUP BY target
),
gaps AS (
    SELECT target, max(gap_ms) / 1000.0 AS longest
    FROM (
        SELECT target, at_ms - lag(at_ms) OVER (PARTITION BY target ORDER BY at_ms) AS gap_ms
        FROM poll
        WHERE at_ms >= :start AND at_ms < :end AND target GLOB :target AND outcome IN ('ok', 'partial')
    )
    GROUP BY target
),
faults AS (
    SELECT target, outcome
    FROM (
        SELECT target, outcome, row_number() OVER (PARTITION BY target ORDER BY count(*) DESC, outcome) AS place
        FROM poll
        WHERE at_ms >= :start AND at_ms < :end AND target GLOB :target AND outcome NOT IN ('ok', 'partial')
        GROUP BY target, outcome
    )
    WHERE place = 1
)
SELECT
    target,
    polls,
    ok,
    partial,
    failed,
    skipped,
    dropped,
    round(min(1, (ok + partial) / fitting), 4) AS coverage_ratio,
    longest AS longest_gap_seconds,
    outcome AS worst
FROM ticks LEFT JOIN gaps USING (target) LEFT JOIN faults USING (target)
ORDER BY coverage_ratio, target
