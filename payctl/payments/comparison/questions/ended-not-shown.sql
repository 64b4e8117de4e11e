-- Is every payment that has ended shown somewhere, or still due to be shown? VOID, which earlier versions wrote, never is.
SELECT
    'unshown' AS kind,
    array_join(array_agg(cells.region ORDER BY cells.region), ', ') AS region,
    cells.payment,
    coalesce(min(cells.status), 'what no result says') || ' in the register, without a record in any Region' AS detail,
    'a repeat of the payment publishes it and charges nothing: payctl payments show ID' AS remedy
FROM cells
JOIN (
    SELECT cells.payment
    FROM cells
    LEFT JOIN (
        SELECT payment FROM records GROUP BY payment
    ) shown ON shown.payment = cells.payment
    WHERE shown.payment IS NULL
    GROUP BY cells.payment
    HAVING max(cells.due_at) IS NULL
) unshown ON unshown.payment = cells.payment
WHERE cells.content IS NOT NULL AND cells.status IS DISTINCT FROM 'VOID'
GROUP BY cells.payment
