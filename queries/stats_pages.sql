-- Bytes of the pages of each table and index.
-- plan: scan (every page is looked at)
SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE ORDER BY name;
