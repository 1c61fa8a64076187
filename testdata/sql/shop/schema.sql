-- A shop with many tenants. All of a tenant's rows lie on one shard, but for its sessions, which lie by their tokens.
CREATE TABLE tenant (
  id      INT UNSIGNED NOT NULL PRIMARY KEY,
  name    VARCHAR(40)  NOT NULL,
  plan    ENUM('free','pro','max') NOT NULL,
  since   DATE NOT NULL,
  credit  DECIMAL(10,2)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE customer (
  tenant_id INT UNSIGNED NOT NULL,
  id        INT UNSIGNED NOT NULL,
  name      VARCHAR(40),
  email     VARCHAR(60)  NOT NULL,
  city      VARCHAR(30),
  country   CHAR(2)      NOT NULL,
  birthday  DATE,
  score     DOUBLE,
  PRIMARY KEY (tenant_id, id),
  UNIQUE KEY email (tenant_id, email)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE product (
  tenant_id INT UNSIGNED  NOT NULL,
  sku       VARCHAR(12)   NOT NULL,
  title     VARCHAR(60)   NOT NULL,
  price     DECIMAL(10,2) NOT NULL,
  stock     INT           NOT NULL DEFAULT 0,
  weight    FLOAT,
  tags      SET('new','sale','eco') NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, sku)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE orders (
  tenant_id   INT UNSIGNED    NOT NULL,
  id          BIGINT UNSIGNED NOT NULL,
  customer_id INT UNSIGNED    NOT NULL,
  status      ENUM('open','paid','sent','returned') NOT NULL DEFAULT 'open',
  placed      DATETIME        NOT NULL,
  total       DECIMAL(12,2),
  note        VARCHAR(100),
  PRIMARY KEY (tenant_id, id),
  KEY customer (tenant_id, customer_id),
  KEY placed (placed)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE item (
  tenant_id INT UNSIGNED      NOT NULL,
  order_id  BIGINT UNSIGNED   NOT NULL,
  line      TINYINT UNSIGNED  NOT NULL,
  sku       VARCHAR(12)       NOT NULL,
  quantity  SMALLINT UNSIGNED NOT NULL,
  price     DECIMAL(10,2)     NOT NULL,
  discount  DOUBLE,
  PRIMARY KEY (tenant_id, order_id, line)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE session (
  token     VARCHAR(20)  NOT NULL PRIMARY KEY,
  tenant_id INT UNSIGNED NOT NULL,
  started   DATETIME(3)  NOT NULL,
  hits      BIGINT       NOT NULL DEFAULT 1
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE country (
  code       CHAR(2)     NOT NULL PRIMARY KEY,
  name       VARCHAR(40) NOT NULL,
  continent  VARCHAR(20),
  population BIGINT UNSIGNED
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE VIEW rich AS SELECT id, name, credit FROM tenant WHERE credit > 10;

CREATE VIEW city_sales (city, country, sold, customers) AS
  SELECT c.city, c.country, SUM(o.total), COUNT(DISTINCT c.id) FROM customer c JOIN orders o ON o.tenant_id = c.tenant_id AND o.customer_id = c.id GROUP BY c.city, c.country;

CREATE VIEW rich_sessions AS SELECT s.token, r.name, 'it''s' AS word FROM session s JOIN rich r ON r.id = s.tenant_id;
