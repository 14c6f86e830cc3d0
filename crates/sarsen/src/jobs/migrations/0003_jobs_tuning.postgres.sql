-- Rows live for moments: vacuum early, and leave room in each page for the new version of a row.
ALTER TABLE sarsen_jobs SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.2
);
