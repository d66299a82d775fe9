-- Which table each index is of.
-- plan: scan (the schema)
SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index';
