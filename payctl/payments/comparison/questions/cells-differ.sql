-- Do the registers show the result that the record shows, and all the same?
SELECT
    'different' AS kind,
    array_join(array_agg(cells.region ORDER BY cells.region), ', ') AS region,
    cells.payment,
    CASE WHEN min(shown.payment) IS NULL THEN 'cells differ' ELSE 'cells and record differ' END AS detail,
    'the majority counts: payctl payments show ID; find out who wrote the other' AS remedy
FROM cells
JOIN (
    SELECT payment
    FROM (
        SELECT payment, content FROM records
        UNION ALL
        SELECT payment, content FROM cells WHERE content IS NOT NULL
    ) everything
    GROUP BY payment
    HAVING min(content) <> max(content)
) differing ON differing.payment = cells.payment
LEFT JOIN (
    SELECT payment, min(content) AS content FROM records GROUP BY payment HAVING min(content) = max(content)
) shown ON shown.payment = cells.payment
LEFT JOIN (
    SELECT payment FROM records GROUP BY payment HAVING min(content) <> max(content)
) torn ON torn.payment = cells.payment
WHERE torn.payment IS NULL -- else the records differ, which is another question
GROUP BY cells.payment
