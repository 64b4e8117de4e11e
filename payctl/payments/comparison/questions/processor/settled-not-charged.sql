-- Did the processor charge everything that is settled here by a processor? Only payments decided in the file's time:
-- as the operator gives it, or from its first to its last charge, or all where it tells no moments.
SELECT
    'settled, not charged' AS kind,
    array_join(array_agg(records.region ORDER BY records.region), ', ') AS region,
    records.payment,
    coalesce(CAST(max(records.amount) AS VARCHAR), 'no amount') || ' '
        || coalesce(max(records.currency), 'without currency') || ', reference '
        || coalesce(nullif(max(records.reference), ''), 'none') AS detail,
    'look for the reference at the processor; near an end of the file''s time, also in the file before or after it'
        AS remedy
FROM records
CROSS JOIN run
LEFT JOIN (
    SELECT payment FROM charges GROUP BY payment
) charged ON charged.payment = records.payment
WHERE records.status = 'SETTLED' AND records.rail <> 'ledger' AND charged.payment IS NULL
    AND (run.file_from IS NULL OR records.decided_at BETWEEN run.file_from AND run.file_to)
GROUP BY records.payment
