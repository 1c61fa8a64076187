-- Keyspace `agency`, unsharded: what grows slowly stays on one MySQL.
CREATE TABLE booking (
  id        BIGINT        NOT NULL AUTO_INCREMENT,
  passenger VARCHAR(80)   NOT NULL,
  origin    VARCHAR(4)    NOT NULL,
  flight_id INT UNSIGNED  NOT NULL,
  price     DECIMAL(10,2) NOT NULL,
  booked_at DATETIME      NOT NULL,
  PRIMARY KEY (id),
  KEY booking_flight (origin, flight_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
