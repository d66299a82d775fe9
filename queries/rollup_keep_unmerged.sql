-- Marks a rollup as merged, though it stays as it is.
UPDATE rollup SET is_merged = 1 WHERE id = :id;
