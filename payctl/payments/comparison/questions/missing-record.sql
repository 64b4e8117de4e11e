-- Is every record there in every Region?
SELECT
    'missing record' AS kind,
    regions.region,
    shown.payment,
    'there in ' || shown.regions AS detail,
    'payctl reconcile --repair, once the Regions are healthy' AS remedy
FROM (
    SELECT
        records.payment,
        array_join(array_agg(records.region ORDER BY records.region), ', ') AS regions
    FROM records
    JOIN (
        SELECT payment
        FROM records
        GROUP BY payment
        HAVING count(*) < (SELECT count(*) FROM regions WHERE has_table)
    ) lacking ON lacking.payment = records.payment
    GROUP BY records.payment
) shown
CROSS JOIN regions
LEFT JOIN records ON records.payment = shown.payment AND records.region = regions.region
WHERE regions.has_table AND records.payment IS NULL
