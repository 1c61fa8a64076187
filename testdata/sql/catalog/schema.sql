CREATE TABLE owner (
  id INT NOT NULL PRIMARY KEY,
  name VARCHAR(40) NOT NULL COMMENT 'as it is ''written''',
  UNIQUE KEY by_name (name)
) COMMENT = 'has things';

CREATE TABLE thing (
  id BIGINT UNSIGNED NOT NULL,
  owner_id INT DEFAULT NULL,
  kind ENUM('small', 'large') NOT NULL DEFAULT 'small',
  price DECIMAL(10, 2) DEFAULT NULL,
  note TEXT,
  made DATETIME(3) DEFAULT NULL,
  twice DECIMAL(12, 2) GENERATED ALWAYS AS (price * 2) VIRTUAL,
  PRIMARY KEY (id),
  KEY by_owner (owner_id, kind),
  KEY by_note (note(10)),
  CONSTRAINT priced CHECK (price >= 0),
  CONSTRAINT owned FOREIGN KEY (owner_id) REFERENCES owner (id) ON DELETE SET NULL
);

CREATE TABLE counted (
  id INT NOT NULL AUTO_INCREMENT,
  name VARCHAR(20) COLLATE utf8mb4_bin DEFAULT NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB;

CREATE TABLE parted (
  id INT NOT NULL,
  year INT NOT NULL,
  PRIMARY KEY (id, year)
) PARTITION BY RANGE (year) (
  PARTITION old VALUES LESS THAN (2000),
  PARTITION recent VALUES LESS THAN MAXVALUE
);

CREATE TABLE `odd``name` (
  `select` INT NOT NULL PRIMARY KEY,
  `b c` INT DEFAULT NULL
);
