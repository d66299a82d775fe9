-- title: Agent capacity and fragmentation
-- about: What each Mesos agent has free, how many more tasks of a size fit on it, and how much of what is free is
--   stranded: on agents where not one more fits. A row an agent, and after them one for the whole cluster, which also
--   says how many would fit if all that is free were on one agent.
-- parameter at time = now: as of then
-- parameter cpus number = 1: CPUs of the task
-- parameter memory_mib number = 1024: memory of the task, in MiB
-- column cluster: the cluster
-- column agent: the agent's hostname, else its id; null for the whole cluster
-- column cpus_capacity: CPUs offered
-- column cpus_free: CPUs not allocated
-- column memory_capacity_bytes [bytes]: memory offered
-- column memory_free_bytes [bytes]: memory not allocated
-- column fits: how many more tasks fit
-- column cpus_stranded: CPUs that are free where none fits
-- column memory_stranded_bytes [bytes]: memory that is free where none fits
-- column fits_if_pooled: how many would fit if what is free were on one agent
WITH newest AS MATERIALIZED (
    SELECT
        cluster,
        id,
        max(at_ms) AS at_ms,
        coalesce(hostname, id) AS agent,
        cpus_capacity,
        memory_capacity_bytes,
        round(cpus_capacity - cpus_used, 3) AS cpus_free,
        memory_capacity_bytes - memory_used_bytes AS memory_free_bytes
    FROM mesos_agent
    WHERE at_ms >= :at - 600000 AND at_ms <= :at
    GROUP BY cluster, id
),
fitting AS MATERIALIZED (
    SELECT *, CAST(max(0, min(cpus_free / :cpus, memory_free_bytes / (:memory_mib * 1048576))) AS INTEGER) AS fits
    FROM newest
)
SELECT
    cluster,
    agent,
    cpus_capacity,
    cpus_free,
    memory_capacity_bytes,
    memory_free_bytes,
    fits,
    iif(fits = 0, cpus_free, 0) AS cpus_stranded,
    iif(fits = 0, memory_free_bytes, 0) AS memory_stranded_bytes,
    NULL AS fits_if_pooled
FROM fitting
UNION ALL
SELECT
    cluster,
    NULL,
    sum(cpus_capacity),
    round(sum(cpus_free), 3),
    sum(memory_capacity_bytes),
    sum(memory_free_bytes),
    sum(fits),
    round(total(cpus_free) FILTER (WHERE fits = 0), 3),
    CAST(total(memory_free_bytes) FILTER (WHERE fits = 0) AS INTEGER),
    CAST(max(0, min(sum(cpus_free) / :cpus, sum(memory_free_bytes) / (:memory_mib * 1048576))) AS INTEGER)
FROM fitting
GROUP BY cluster
ORDER BY 1, 2 NULLS LAST
