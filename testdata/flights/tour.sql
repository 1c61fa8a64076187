-- The tour of the demo. Each comment is a title; each statement runs through Vitrail and on one MySQL with the same data,
-- and both answers are compared. Without ORDER BY, rows are compared as a set.

-- One airport, from the reference table
SELECT iata, name, city, latitude, longitude FROM airport WHERE iata = 'SFO';

-- Flights of one origin: one shard answers
SELECT id, departed, delay, destination FROM flight WHERE origin = 'SFO' ORDER BY departed, id LIMIT 5;

-- One flight by its whole key
SELECT * FROM flight WHERE origin = 'DTW' AND id = 1;

-- The sharding key in another case: MySQL compares without case, and so does the vindex
SELECT COUNT(*) FROM flight WHERE origin = 'dtw';

-- Any statement that MySQL can run, once it is pinned to one shard
SELECT destination, COUNT(*) AS flights, AVG(delay) AS mean_delay FROM flight WHERE origin = 'ATL' GROUP BY destination HAVING COUNT(*) > 15 ORDER BY flights DESC, destination;

-- Windows as well
SELECT id, delay, RANK() OVER (ORDER BY delay DESC, id) AS place FROM flight WHERE origin = 'HNL' ORDER BY place LIMIT 5;

-- A join with the reference table on one shard
SELECT f.id, a.name, a.city FROM flight f JOIN airport a ON a.iata = f.destination WHERE f.origin = 'BOS' ORDER BY f.id LIMIT 5;

-- A subquery that is pinned to the same origin
SELECT id, delay FROM flight WHERE origin = 'JFK' AND delay = (SELECT MAX(delay) FROM flight WHERE origin = 'JFK') ORDER BY id;

-- Count over all shards
SELECT COUNT(*) FROM flight;

-- Several aggregates over all shards
SELECT COUNT(*) AS flights, SUM(distance) AS miles, MIN(delay) AS earliest, MAX(delay) AS latest FROM flight;

-- Aggregates with a condition
SELECT COUNT(*), MAX(distance) FROM flight WHERE delay > 120 AND destination = 'ORD';

-- The ten worst delays over all shards, merged in order
SELECT id, origin, destination, delay FROM flight ORDER BY delay DESC, id LIMIT 10;

-- The next page
SELECT id, origin, destination, delay FROM flight ORDER BY delay DESC, id LIMIT 10 OFFSET 10;

-- Ordered by a date, then by number
SELECT id, departed FROM flight WHERE distance > 2500 ORDER BY departed DESC, id DESC LIMIT 7;

-- Ordered by text over all shards, by the column's own collation
SELECT origin, destination, id FROM flight WHERE delay > 300 ORDER BY destination, origin, id;

-- A condition that names several origins goes only where they live
SELECT id, origin, delay FROM flight WHERE origin IN ('SFO', 'OAK', 'SJC') AND delay > 100 ORDER BY delay DESC, id;

-- A scatter join with the reference table
SELECT f.id, f.delay, a.city FROM flight f JOIN airport a ON a.iata = f.origin WHERE f.delay > 250 ORDER BY f.delay DESC, f.id;

-- Rows without an order, as a set
SELECT id FROM flight WHERE delay = 200;

-- Nothing at all
SELECT id, delay FROM flight WHERE origin = 'ZZZ';

-- The reference table has all airports on every shard, and is read from one
SELECT state, COUNT(*) AS airports FROM airport GROUP BY state ORDER BY airports DESC, state LIMIT 5;

-- The unsharded keyspace
SELECT id, passenger, price FROM agency.booking ORDER BY id;

-- New flights for two origins: rows are split by shard, and written as one
INSERT INTO flight (id, departed, delay, distance, origin, destination) VALUES (900001, '2001-04-01 06:00:00', 0, 337, 'SFO', 'LAX'), (900002, '2001-04-01 06:05:00', 3, 1846, 'ORD', 'SFO'), (900003, '2001-04-01 06:10:00', -2, 2586, 'JFK', 'SFO');

-- They are there
SELECT id, origin, destination FROM flight WHERE id > 900000 ORDER BY id;

-- Update one of them
UPDATE flight SET delay = 45 WHERE origin = 'ORD' AND id = 900002;

-- Update all of them, wherever they are
UPDATE flight SET delay = delay + 10 WHERE id > 900000;

-- A duplicate key is MySQL's own error
INSERT INTO flight (id, departed, delay, distance, origin, destination) VALUES (900001, '2001-04-01 06:00:00', 0, 337, 'SFO', 'LAX');

-- A transaction over two shards begins
START TRANSACTION;

-- Move a flight's passengers: one shard
DELETE FROM flight WHERE origin = 'SFO' AND id = 900001;

-- The other shard
INSERT INTO flight (id, departed, delay, distance, origin, destination) VALUES (900004, '2001-04-01 07:00:00', 0, 2704, 'BOS', 'SFO');

-- The transaction sees its own writes
SELECT id, origin, delay FROM flight WHERE id > 900000 ORDER BY id;

-- And takes them back
ROLLBACK;

-- As if nothing had been
SELECT id, origin, delay FROM flight WHERE id > 900000 ORDER BY id;

-- A new airport, on every shard at once
INSERT INTO airport (iata, name, city, state, country, latitude, longitude) VALUES ('VTR', 'Vitrail Field', 'Chartres', 'NA', 'France', 48.44670000, 1.48830000);

-- It joins on each of them
SELECT COUNT(*) FROM flight f JOIN airport a ON a.iata <> f.origin WHERE a.iata = 'VTR';

-- An INSERT with AUTO_INCREMENT in the unsharded keyspace
INSERT INTO agency.booking (passenger, origin, flight_id, price, booked_at) VALUES ('Grace O''Hara 🛫', 'SFO', 900001, 99.90, '2001-03-30 10:00:00');

-- Text keeps every character
SELECT id, passenger, HEX(passenger) AS bytes FROM agency.booking WHERE passenger LIKE 'Grace%';

-- A table that is not there is MySQL's own error
SELECT * FROM flight_crew;

-- Clean up
DELETE FROM flight WHERE id > 900000;

-- Clean up the airport
DELETE FROM airport WHERE iata = 'VTR';

-- Everything is as it was
SELECT COUNT(*), SUM(delay) FROM flight;
