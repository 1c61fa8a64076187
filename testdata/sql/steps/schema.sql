-- Parcels that go from depot to depot, each depot's on one shard, with columns of every type that has to travel along.
CREATE TABLE parcel (
  depot    BIGINT       NOT NULL,
  id       INT          NOT NULL,
  name     VARCHAR(40)  CHARACTER SET latin1,
  weight   FLOAT,
  price    DOUBLE,
  cost     DECIMAL(20,4),
  flags    BIT(12),
  data     JSON,
  noted    TIMESTAMP(3) NULL DEFAULT NULL,
  arrived  DATETIME(6),
  day      DATE,
  lasted   TIME(2),
  made     YEAR,
  kind     ENUM('small','large',''),
  tags     SET('glass','cold'),
  raw      VARBINARY(40),
  body     BLOB,
  note     TEXT,
  gross    DECIMAL(24,4) AS (cost * 1.19) STORED,
  heavy    INT AS (weight > 10) VIRTUAL,
  PRIMARY KEY (depot, id),
  UNIQUE KEY name (depot, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE scan (
  id       BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  depot    BIGINT          NOT NULL,
  parcel   INT             NOT NULL,
  hits     INT             NOT NULL DEFAULT 0,
  stamp    TIMESTAMP       NULL DEFAULT NULL,
  place    VARCHAR(20)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE label (
  text     VARCHAR(20)  NOT NULL PRIMARY KEY,
  parcel   INT,
  size     DOUBLE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

-- Nothing names a row of it.
CREATE TABLE event (
  depot    BIGINT NOT NULL,
  what     VARCHAR(20),
  KEY depot (depot)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE driver (
  depot    BIGINT NOT NULL,
  id       INT    NOT NULL,
  name     VARCHAR(20),
  UNIQUE KEY id (depot, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

-- What hangs on a driver goes with it on one MySQL.
CREATE TABLE tour (
  depot    BIGINT NOT NULL,
  driver   INT    NOT NULL,
  day      DATE   NOT NULL,
  PRIMARY KEY (depot, driver, day),
  CONSTRAINT tour_driver FOREIGN KEY (depot, driver) REFERENCES driver (depot, id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE garage (
  depot    BIGINT NOT NULL,
  id       INT    NOT NULL,
  PRIMARY KEY (depot, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

-- A garage stays where trucks are.
CREATE TABLE truck (
  depot    BIGINT      NOT NULL,
  garage   INT         NOT NULL,
  plate    VARCHAR(20) NOT NULL,
  PRIMARY KEY (depot, plate),
  CONSTRAINT truck_garage FOREIGN KEY (depot, garage) REFERENCES garage (depot, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

-- What hangs on a fleet goes with it, and so does what hangs on that.
CREATE TABLE fleet (
  depot    BIGINT NOT NULL,
  id       INT    NOT NULL,
  name     VARCHAR(20),
  PRIMARY KEY (depot, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE bus (
  depot    BIGINT NOT NULL,
  fleet    INT    NOT NULL,
  number   INT    NOT NULL,
  weight   FLOAT,
  data     JSON,
  seats    INT AS (number * 10) STORED,
  PRIMARY KEY (depot, number),
  UNIQUE KEY fleet (depot, fleet, number),
  CONSTRAINT bus_fleet FOREIGN KEY (depot, fleet) REFERENCES fleet (depot, id) ON UPDATE CASCADE ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE ride (
  home     BIGINT NOT NULL,
  bus      INT    NOT NULL,
  at       DATETIME NOT NULL,
  PRIMARY KEY (home, bus, at),
  CONSTRAINT ride_bus FOREIGN KEY (home, bus) REFERENCES bus (depot, number) ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

-- What holds where rows are written: a condition, a trigger, numbers, a key over a part of a text.
CREATE TABLE gauge (
  id       BIGINT NOT NULL PRIMARY KEY,
  low      INT    NOT NULL,
  high     INT    NOT NULL DEFAULT 10,
  changed  TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP,
  counted  DATETIME DEFAULT '2020-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP,
  mean     DECIMAL(10,1) AS ((low + high) / 2) STORED,
  UNIQUE KEY low (low),
  CONSTRAINT gauge_order CHECK (low <= high)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE meter (
  id       BIGINT NOT NULL PRIMARY KEY,
  n        INT    NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TRIGGER meter_counts BEFORE INSERT ON meter FOR EACH ROW SET NEW.n = NEW.n + 1;

CREATE TABLE numbered (
  id       BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  word     VARCHAR(20),
  KEY word (word)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE page (
  id       BIGINT NOT NULL PRIMARY KEY,
  title    VARCHAR(50),
  UNIQUE KEY title (title(3))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

-- Rows lie by columns that have defaults.
CREATE TABLE ticket (
  queue    INT          NOT NULL DEFAULT '7',
  id       INT          NOT NULL DEFAULT 1,
  note     VARCHAR(20)  DEFAULT 'it''s',
  PRIMARY KEY (queue, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE tag (
  word     VARCHAR(20)  NOT NULL DEFAULT 'it''s new' PRIMARY KEY,
  used     INT          NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE kind (
  code     CHAR(3)      NOT NULL PRIMARY KEY,
  name     VARCHAR(40)  NOT NULL,
  used     BIGINT       NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
