-- Which payments does a register still have to finish? The command asks the registers about the first of them, and drops
-- those that have ended meanwhile.
SELECT
    'open' AS kind,
    array_join(array_agg(due.region ORDER BY due.region), ', ') AS region,
    due.payment,
    'due since ' || CAST(max(run.now - due.due_at) AS VARCHAR) || ' s; not asked about' AS detail,
    'payctl parked lists what waits for a person; all else the janitors finish' AS remedy
FROM cells due
CROSS JOIN run
LEFT JOIN (
    SELECT payment FROM records GROUP BY payment
) shown ON shown.payment = due.payment
LEFT JOIN (
    SELECT payment FROM cells WHERE content IS NOT NULL GROUP BY payment HAVING min(content) = max(content)
) ended ON ended.payment = due.payment
WHERE due.due_at IS NOT NULL AND shown.payment IS NULL AND ended.payment IS NULL
GROUP BY due.payment
