-- The attributes of a set.
SELECT body FROM attribute_set WHERE id = :id;
