-- The samples of a block.
SELECT body FROM block WHERE id = :id;
