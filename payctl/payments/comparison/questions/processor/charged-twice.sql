-- Did the processor charge each payment once only?
SELECT
    'charged twice' AS kind,
    '' AS region,
    charges.payment,
    CAST(count(*) AS VARCHAR) || ' charges: lines '
        || array_join(array_agg(CAST(charges.line AS VARCHAR) ORDER BY charges.line), ', ') AS detail,
    'refund all but one at the processor; what it promises to keep: payctl processor-check' AS remedy
FROM charges
JOIN (
    SELECT payment FROM charges GROUP BY payment HAVING count(*) > 1
) twice ON twice.payment = charges.payment
GROUP BY charges.payment
