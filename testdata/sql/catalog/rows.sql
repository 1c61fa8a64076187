INSERT INTO owner (id, name) VALUES (1, 'Ada'), (2, 'Bob'), (3, 'Cy');
INSERT INTO thing (id, owner_id, kind, price, note) VALUES (1, 1, 'small', 1.50, 'a'), (2, 1, 'large', 20, 'b'), (3, 2, 'small', NULL, NULL), (4, NULL, 'small', 0, 'd'), (5, 3, 'large', 7, 'e');
INSERT INTO counted (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e'), (6, 'f'), (7, 'g'), (8, 'h');
INSERT INTO parted (id, year) VALUES (1, 1990), (2, 1991), (3, 2010), (4, 2011), (5, 2012);
