-- Is everything that the processor charged settled here?
SELECT
    'charged, not settled' AS kind,
    '' AS region,
    charges.payment,
    'line ' || CAST(charges.line AS VARCHAR) || ': ' || coalesce(CAST(charges.amount AS VARCHAR), 'no amount') || ' '
        || charges.currency || ', reference ' || charges.reference || '; '
        || coalesce(shown.status || ' here', 'no record here') AS detail,
    'parked: payctl resolve ID --settled REFERENCE; ended otherwise, or unknown: refund it at the processor' AS remedy
FROM charges
LEFT JOIN (
    SELECT payment, coalesce(max(status), 'no status') AS status, bool_or(status = 'SETTLED') AS settled
    FROM records
    GROUP BY payment
) shown ON shown.payment = charges.payment
WHERE NOT coalesce(shown.settled, false)
