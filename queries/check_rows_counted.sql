-- Samples that are rows: their number, and those of their numbers that are not null, one a column.
-- plan: scan (all are counted)
SELECT count(*){counted} FROM {table} AS s;
