-- Do the registers hold the payload that the record shows? One of them may hold another, which came at the same time and
-- lost: two voted for the one that was decided, and hold it since.
SELECT
    'different' AS kind,
    array_join(array_agg(cells.region ORDER BY cells.region), ', ') AS region,
    cells.payment,
    'cells and record are of different payloads' AS detail,
    'compare amount and details: payctl payments show ID; find out who changed which' AS remedy
FROM cells
JOIN (
    SELECT payment, min(payload) AS payload FROM records GROUP BY payment HAVING min(payload) = max(payload)
) shown ON shown.payment = cells.payment -- else the records differ, which is another question
WHERE cells.payload <> shown.payload
GROUP BY cells.payment
HAVING count(*) > 1
