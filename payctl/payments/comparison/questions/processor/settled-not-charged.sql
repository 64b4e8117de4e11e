-- Did the processor charge everything that is settled here by a processor? Only payments decided while the file's
-- charges were made, where it tells when that was.
SELECT
    'settled, not charged' AS kind,
    array_join(array_agg(records.region ORDER BY records.region), ', ') AS region,
    records.payment,
    CAST(max(records.amount) AS VARCHAR) || ' ' || max(records.currency) || ', reference '
        || coalesce(max(records.reference), 'none') AS detail,
    'look for the reference at the processor, and in its file of the next day' AS remedy
FROM records
CROSS JOIN run
LEFT JOIN (
    SELECT payment FROM charges GROUP BY payment
) charged ON charged.payment = records.payment
WHERE records.status = 'SETTLED' AND records.rail <> 'ledger' AND charged.payment IS NULL
    AND (run.file_from IS NULL OR records.decided_at BETWEEN run.file_from AND run.file_to)
GROUP BY records.payment
