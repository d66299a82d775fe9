-- The id of a target.
SELECT id FROM target WHERE name = :name;
