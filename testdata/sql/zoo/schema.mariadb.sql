-- The collations that this flavour has alone.
CREATE TABLE text_modern (id INT UNSIGNED NOT NULL PRIMARY KEY, c CHAR(12), v VARCHAR(30), t TEXT) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_ai_ci;

CREATE TABLE text_nopad (id INT UNSIGNED NOT NULL PRIMARY KEY, c CHAR(12), v VARCHAR(30), t TEXT) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
