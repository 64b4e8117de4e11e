-- The time of the processor's file, and how many payments that a processor settled were decided at other times only:
-- they are not looked for in it. Where it tells no moments, there are no other times.
SELECT
    run.file_from,
    run.file_to,
    (
        SELECT count(*)
        FROM (
            SELECT records.payment
            FROM records
            CROSS JOIN run
            WHERE records.status = 'SETTLED' AND records.rail <> 'ledger'
            GROUP BY records.payment
            HAVING NOT bool_or(
                coalesce(records.decided_at BETWEEN run.file_from AND run.file_to, run.file_from IS NULL)
            )
        ) others
    ) AS outside
FROM run
