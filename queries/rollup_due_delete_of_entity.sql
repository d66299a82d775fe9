-- Nothing of an entity is to be rolled up any more.
DELETE FROM rollup_due WHERE entity = :entity;
