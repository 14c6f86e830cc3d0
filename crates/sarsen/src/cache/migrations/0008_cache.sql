-- Invalidations stay in the log for two minutes only; what else is appended does not pay for finding them.
CREATE INDEX sarsen_log_invalidated ON sarsen_log (pos) WHERE name = 'cache.invalidated';
