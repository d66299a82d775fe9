-- Marks a block as merged, though it stays as it is.
UPDATE block SET is_merged = 1 WHERE id = :id;
