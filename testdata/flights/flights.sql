-- Keyspace `flights`, sharded: every shard has both tables.
CREATE TABLE airport (
  iata      VARCHAR(4)    NOT NULL,
  name      VARCHAR(60)   NOT NULL,
  city      VARCHAR(60)   NOT NULL,
  state     VARCHAR(2)    NOT NULL,
  country   VARCHAR(40)   NOT NULL,
  latitude  DECIMAL(11,8) NOT NULL,
  longitude DECIMAL(11,8) NOT NULL,
  PRIMARY KEY (iata)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE flight (
  id          INT UNSIGNED NOT NULL,
  departed    DATETIME     NOT NULL,
  delay       SMALLINT     NOT NULL COMMENT 'minutes, negative: early',
  distance    SMALLINT     NOT NULL COMMENT 'statute miles',
  origin      VARCHAR(4)   NOT NULL,
  destination VARCHAR(4)   NOT NULL,
  PRIMARY KEY (origin, id),
  KEY flight_departed (departed),
  KEY flight_destination (destination)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
