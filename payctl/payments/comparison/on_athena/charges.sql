-- The processor's own file. A charge that names no payment gets the one whose record has its reference, or else the
-- reference itself. `named_only`: not all records were read, so that what is left cannot be told from what is not there.
SELECT *
FROM (
    SELECT
        listed.line,
        CASE
            WHEN listed.payment <> '' THEN listed.payment
            WHEN known.payment IS NULL AND $named_only THEN NULL
            ELSE coalesce(known.payment, listed.reference)
        END AS payment,
        listed.reference,
        listed.amount,
        listed.currency,
        listed.charged_at,
        listed.charged_until
    FROM (
        SELECT
            TRY_CAST(json_extract_scalar(line, '$$.line') AS BIGINT) AS line,
            json_extract_scalar(line, '$$.payment') AS payment,
            json_extract_scalar(line, '$$.reference') AS reference,
            TRY_CAST(json_extract_scalar(line, '$$.amount') AS DECIMAL(38, 4)) AS amount,
            json_extract_scalar(line, '$$.currency') AS currency,
            TRY_CAST(json_extract_scalar(line, '$$.charged_at') AS BIGINT) AS charged_at,
            TRY_CAST(json_extract_scalar(line, '$$.charged_until') AS BIGINT) AS charged_until
        FROM $lines
    ) listed
    LEFT JOIN (
        SELECT reference, min(payment) AS payment FROM records WHERE reference <> '' GROUP BY reference
    ) known ON known.reference = listed.reference
) matched
WHERE payment IS NOT NULL AND $among AND coalesce(charged_until >= $since, true)
