-- Do two registers vouch for every payment that is shown? With one of them lost, a repeat could be charged again.
SELECT
    'unheld' AS kind,
    shown.regions AS region,
    shown.payment,
    'held by ' || CAST(coalesce(held.registers, 0) AS VARCHAR) || ' of 3 registers' AS detail,
    'a register lost what it held: payctl rejoin REGION teaches it again' AS remedy
FROM (
    SELECT
        records.payment,
        array_join(array_agg(records.region ORDER BY records.region), ', ') AS regions
    FROM records
    LEFT JOIN (
        SELECT payment FROM cells GROUP BY payment HAVING count(*) >= 2
    ) safe ON safe.payment = records.payment
    WHERE safe.payment IS NULL
    GROUP BY records.payment
) shown
LEFT JOIN (
    SELECT payment, count(*) AS registers FROM cells GROUP BY payment
) held ON held.payment = shown.payment
