-- Statements on the flights that tempt a router to be wrong: one a line, rows in a total order. Each must answer as one MySQL
-- does, or be refused by name (1235); server/gate/tests/flights.rs runs them.

-- what pins, and what only looks like it
SELECT id FROM flight WHERE origin = 'sfo ' ORDER BY id LIMIT 3
SELECT id FROM flight WHERE origin = 'SFO' OR origin = 'JFK' ORDER BY id LIMIT 3
SELECT id FROM flight WHERE origin = 'SFO' AND origin = 'JFK' ORDER BY id LIMIT 3
SELECT id FROM flight WHERE origin IN ('SFO') AND id < 500 ORDER BY id
SELECT id FROM flight WHERE origin NOT IN ('SFO','ORD') ORDER BY id LIMIT 5
SELECT id FROM flight WHERE NOT origin = 'SFO' ORDER BY id LIMIT 5
SELECT id FROM flight WHERE ! (origin = 'SFO') ORDER BY id LIMIT 2
SELECT id FROM flight WHERE (origin = 'SFO') IS TRUE ORDER BY id LIMIT 2
SELECT id FROM flight WHERE (origin = 'SFO') IS FALSE ORDER BY id LIMIT 2
SELECT id FROM flight WHERE (origin = 'SFO') = 0 ORDER BY id LIMIT 2
SELECT id FROM flight WHERE CASE WHEN origin = 'SFO' THEN 0 ELSE 1 END ORDER BY id LIMIT 2
SELECT id FROM flight WHERE origin = 'SFO' XOR id < 100 ORDER BY id LIMIT 4
SELECT id FROM flight WHERE origin = 'DTW' || origin = 'HNL' ORDER BY id LIMIT 3
SELECT id FROM flight WHERE origin = 'SFO' AND (id = 3 OR 1=1) ORDER BY id LIMIT 2
SELECT id, origin FROM flight WHERE origin BETWEEN 'A' AND 'B' ORDER BY id LIMIT 5
SELECT id, origin FROM flight WHERE origin LIKE 'S%' ORDER BY id LIMIT 5
SELECT id, origin FROM flight WHERE origin = NULL ORDER BY id
SELECT id, origin FROM flight WHERE origin <=> 'SFO' ORDER BY id LIMIT 2
SELECT id, origin FROM flight WHERE origin = 0 ORDER BY id LIMIT 2
SELECT id, origin FROM flight WHERE origin = CONCAT('S','FO') ORDER BY id LIMIT 2
SELECT id, origin FROM flight WHERE 'SFO' = origin ORDER BY id LIMIT 2
SELECT id FROM flight WHERE (origin, id) = ('DTW', 1)
SELECT id FROM flight WHERE (origin, id) IN (('DTW', 1), ('HNL', 2)) ORDER BY id
SELECT id FROM flight WHERE origin = BINARY 'SFO' ORDER BY id LIMIT 2
SELECT id FROM flight WHERE origin COLLATE utf8mb4_bin = 'sfo' ORDER BY id LIMIT 2
SELECT id FROM flight WHERE origin = 'SFO' COLLATE utf8mb4_bin ORDER BY id LIMIT 2
SELECT id FROM flight WHERE origin = _latin1'SFO' ORDER BY id LIMIT 2
SELECT id FROM flight WHERE origin = x'53464F' ORDER BY id LIMIT 2
SELECT id FROM flight WHERE origin = 'S' 'FO' ORDER BY id LIMIT 2

-- order over shards
SELECT id FROM flight ORDER BY departed, id LIMIT 5 OFFSET 2990
SELECT id FROM flight ORDER BY -id LIMIT 5
SELECT id FROM flight ORDER BY 1 DESC LIMIT 5
SELECT id AS x FROM flight ORDER BY x DESC LIMIT 5
SELECT delay AS id FROM flight ORDER BY id LIMIT 5
SELECT origin, id FROM flight ORDER BY origin DESC, id LIMIT 5
SELECT LOWER(origin) o, id FROM flight ORDER BY o, id LIMIT 5
SELECT f.* FROM flight f ORDER BY f.id LIMIT 3
SELECT id*1.5 x FROM flight ORDER BY x DESC LIMIT 3
SELECT TIME(departed) t, id FROM flight ORDER BY t, id LIMIT 3
SELECT DISTINCT origin FROM flight ORDER BY origin LIMIT 20

-- aggregates
SELECT COUNT(*) + 1 FROM flight
SELECT MAX(delay) - MIN(delay) FROM flight
SELECT MIN(origin) FROM flight
SELECT MAX(departed) FROM flight
SELECT MIN(departed), MAX(departed) FROM flight WHERE delay < -1000
SELECT BIT_XOR(id) FROM flight
SELECT (SELECT COUNT(*) FROM airport) + COUNT(*) FROM flight
SELECT COUNT(*) FROM flight HAVING COUNT(*) > 5
SELECT COUNT(*) FROM flight GROUP BY origin WITH ROLLUP LIMIT 3
SELECT UPPER(origin) o, COUNT(*) FROM flight GROUP BY UPPER(origin) ORDER BY o LIMIT 3
SELECT delay, COUNT(*) FROM flight GROUP BY delay, origin ORDER BY 2 DESC, delay LIMIT 4
SELECT COUNT(*) FROM (SELECT DISTINCT origin FROM flight) d
SELECT ROW_NUMBER() OVER (ORDER BY id) r FROM flight LIMIT 3

-- joins, subqueries, unions
SELECT f.id, g.id FROM flight f JOIN flight g ON f.origin = g.origin AND f.id = g.id - 1 ORDER BY f.id LIMIT 5
SELECT f.id, g.id FROM flight f JOIN flight g ON f.origin = g.destination WHERE f.id = 1 ORDER BY g.id LIMIT 5
SELECT a.name, COUNT(*) n FROM flight f JOIN airport a ON a.iata = f.origin GROUP BY f.origin, a.name ORDER BY n DESC, a.name LIMIT 5
SELECT a.iata FROM airport a LEFT JOIN flight f ON f.origin = a.iata WHERE f.id IS NULL ORDER BY a.iata LIMIT 5
SELECT id FROM flight WHERE destination IN (SELECT iata FROM airport WHERE state = 'HI') ORDER BY id LIMIT 5
SELECT id FROM flight f WHERE EXISTS (SELECT 1 FROM flight g WHERE g.origin = f.origin AND g.delay > 200) ORDER BY id LIMIT 5
SELECT id FROM flight f WHERE delay = (SELECT MAX(delay) FROM flight g WHERE g.origin = f.origin) ORDER BY id LIMIT 5
SELECT id FROM flight WHERE delay = (SELECT MAX(delay) FROM flight) ORDER BY id
SELECT id FROM flight WHERE origin='SFO' UNION SELECT id FROM flight WHERE origin='SFO' ORDER BY id LIMIT 3
SELECT id FROM flight WHERE origin='SFO' UNION ALL SELECT id FROM flight WHERE origin='JFK' ORDER BY id LIMIT 3
WITH x AS (SELECT * FROM flight WHERE origin='SFO') SELECT COUNT(*) FROM x
SELECT COUNT(*) FROM flight, airport WHERE flight.origin = airport.iata AND airport.state = 'CA'
