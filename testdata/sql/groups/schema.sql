-- Rows whose groups lie on several shards, with columns of every type that may be grouped by or aggregated.

CREATE TABLE item (
    id BIGINT NOT NULL PRIMARY KEY,
    kind INT,
    owner INT NOT NULL,
    big BIGINT,
    vast BIGINT UNSIGNED,
    price DECIMAL(10,2),
    fine DECIMAL(20,5) NOT NULL,
    nines DECIMAL(38,9),
    ratio DOUBLE,
    measure FLOAT,
    name VARCHAR(40) COLLATE utf8mb4_general_ci,
    title VARCHAR(40) COLLATE utf8mb4_unicode_ci,
    code VARCHAR(20) COLLATE utf8mb4_bin NOT NULL,
    latin VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci,
    spanish VARCHAR(20) COLLATE utf8mb4_spanish2_ci,
    day DATE,
    moment DATETIME(3),
    clock TIME,
    year YEAR,
    raw VARBINARY(20),
    bits BIT(12),
    state ENUM('new','paid','void','again'),
    flags SET('x','a','m'),
    doc JSON,
    note TEXT COLLATE utf8mb4_general_ci,
    void INT
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE nothing (
    id BIGINT NOT NULL PRIMARY KEY,
    kind INT,
    price DECIMAL(10,2),
    ratio DOUBLE,
    name VARCHAR(40) COLLATE utf8mb4_general_ci
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE part (
    item_id BIGINT NOT NULL,
    position INT NOT NULL,
    weight DECIMAL(8,3),
    PRIMARY KEY (item_id, position)
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE owner (
    id INT NOT NULL PRIMARY KEY,
    name VARCHAR(40) COLLATE utf8mb4_general_ci NOT NULL,
    city VARCHAR(40) COLLATE utf8mb4_general_ci
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE essay (
    id BIGINT NOT NULL PRIMARY KEY,
    body TEXT COLLATE utf8mb4_general_ci NOT NULL
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE tick (
    id BIGINT NOT NULL PRIMARY KEY,
    stamp TIMESTAMP NULL
) DEFAULT CHARACTER SET utf8mb4;
