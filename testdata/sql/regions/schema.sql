CREATE TABLE store (
  country VARCHAR(2)  NOT NULL,
  id      INT         NOT NULL,
  name    VARCHAR(30) NOT NULL,
  area    INT,
  PRIMARY KEY (country, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE stock (
  store   INT         NOT NULL,
  article INT         NOT NULL,
  country VARCHAR(2)  NOT NULL,
  pieces  INT         NOT NULL,
  PRIMARY KEY (country, store, article)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE sensor (
  id     BIGINT           NOT NULL,
  region TINYINT UNSIGNED NOT NULL,
  value  DOUBLE,
  PRIMARY KEY (id, region)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE country (
  code VARCHAR(2)  NOT NULL PRIMARY KEY,
  name VARCHAR(30) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
