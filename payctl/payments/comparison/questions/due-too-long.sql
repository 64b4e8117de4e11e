-- Has a register had to look after a payment that has ended for longer than the alarm allows?
SELECT
    'overdue' AS kind,
    cells.region,
    cells.payment,
    'ended, and due since ' || CAST(run.now - cells.due_at AS VARCHAR) || ' s' AS detail,
    'the janitor of the Region does not reach it: see its alarms and log' AS remedy
FROM cells
CROSS JOIN run
LEFT JOIN (
    SELECT payment FROM records GROUP BY payment
) shown ON shown.payment = cells.payment
LEFT JOIN (
    SELECT payment FROM cells WHERE content IS NOT NULL GROUP BY payment HAVING min(content) = max(content)
) ended ON ended.payment = cells.payment
WHERE cells.due_at < run.now - run.overdue_seconds
    AND (shown.payment IS NOT NULL OR ended.payment IS NOT NULL)
