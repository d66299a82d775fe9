-- Builds the file anew without unused room; it needs as much room again while it does.
VACUUM;
