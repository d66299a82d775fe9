-- Everything that the schema holds.
-- plan: scan (all is checked)
SELECT name, coalesce(sql, '') FROM sqlite_schema;
