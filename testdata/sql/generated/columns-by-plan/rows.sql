SET sql_mode = '';
INSERT IGNORE INTO fc (k, id, c1) VALUES (11, 15, 'A'), (0, 17, 'á');
